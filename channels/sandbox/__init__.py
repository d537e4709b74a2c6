"""Local providers that behave like the real ones: SMTP, Aliyun SMS and a WeChat official account.

An independent second implementation of the providers' side, so that a signature both ends agree on means something: it
never imports the adapters. The demo, the tests, the crash harness and the benchmarks start it as `server.Sandbox`.
"""
