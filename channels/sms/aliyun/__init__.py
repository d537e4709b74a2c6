"""Aliyun SMS (Dysmsapi 2017-05-25): signing, the client, and what its callbacks say."""
