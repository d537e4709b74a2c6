"""What the command line refuses, in Chinese: English sentence -> Chinese sentence. Called by `main.py`.

A sentence that stands nowhere here is shown in English. `{}` stands for what a sentence is about, in the same order.
"""

import re
from functools import cache
from typing import Final

from engine.core.errors import BadInput, JourneydError

_SENTENCES: Final[dict[str, str]] = {
    # the workspace
    "There is no journeyd.yaml here or in a folder above. Make a workspace with `journeyd init DIR`, or name one with "
    "`journeyd --workspace DIR ...`": "此处及上级目录没有 journeyd.yaml。请用 `journeyd init 目录` 创建工作区，"
    "或用 `journeyd --workspace 目录 ...` 指定",
    "{} holds no journeyd.yaml. Make a workspace with `journeyd init {}`": "{} 中没有 journeyd.yaml。"
    "请用 `journeyd init {}` 创建工作区",
    "{} has no data yet: start it with `journeyd run`, or import with `journeyd ingest`": "{} 还没有数据："
    "请用 `journeyd run` 启动，或用 `journeyd ingest` 导入",
    "{} has no log yet: start it with `journeyd run`, or give files with --history": "{} 还没有日志："
    "请用 `journeyd run` 启动，或用 --history 给出文件",
    "There is no library {}": "没有名为 {} 的旅程库",
    "Choose one of {}": "请选择其一：{}",
    "{} is a file": "{} 是文件",
    "Name a new folder": "请指定新目录",
    "{} already holds a workspace": "{} 已是工作区",
    "{} is not empty": "{} 不是空目录",
    "Name a new folder, or add --force: existing files are kept": "请指定新目录，或加 --force：已有文件会保留",
    "{} does not exist": "{} 不存在",
    "Name journey files or folders of the workspace": "请指定工作区中的旅程文件或目录",
    "{} has no stories": "{} 没有故事",
    "Write them to {}": "请写入 {}",
    "{} is there already": "{} 已存在",
    "Name a new file; its stories can be moved over by hand": "请指定新文件；其中的故事可手工移入",
    "No daemon answers: start it with `journeyd run`.": "守护进程没有应答：请用 `journeyd run` 启动。",
    "A daemon runs and journeyd.yaml has no ops_key to speak to it. Add one and restart it": "守护进程正在运行，"
    "但 journeyd.yaml 没有 ops_key。请添加并重启",
    "The daemon does not know the key. Use the keys of journeyd.yaml that it was started with": "守护进程不认识此密钥。"
    "请使用其启动时 journeyd.yaml 中的密钥",
    "The daemon did not take the release. See why with `journeyd dead`": "守护进程未接受该版本。"
    "请用 `journeyd dead` 查看原因",
    "The daemon answered HTTP {}": "守护进程应答 HTTP {}",
    "Look into its log": "请查看其日志",
    # names
    "There is no journey {}": "没有旅程 {}",
    "{} is no journey, touch, run or customer": "{} 不是旅程、触达、旅程实例或客户",
    "Name a journey, a touch or run by its id, or a customer": "请写旅程名、触达或实例的编号，或客户",
    "Did you mean the journey {}?": "是否想写旅程 {}？",
    "Did you mean {}?": "是否想写 {}？",
    "Known: none": "已知：无",
    "Known: {} Some journeys have errors: see `journeyd lint`": "已知：{}。部分旅程有错误：见 `journeyd lint`",
    "Known: {}": "已知：{}",
    "{} is {}: {}": "{} 可能是 {}：{}",
    "Say which: journeyd explain {} --as {}": "请说明是哪一个：journeyd explain {} --as {}",
    "There is no segment {}": "没有人群 {}",
    "Preview one thing": "一次只能预览一项",
    "Name a segment, or give a condition with --when": "请写人群名，或用 --when 给出条件",
    "Export as CSV or as JSON": "请选择导出为 CSV 或 JSON",
    "Give one of --csv and --json": "--csv 与 --json 请只给一个",
    "There is no run {}": "没有旅程实例 {}",
    "`journeyd touches show` names the run of a touch": "`journeyd touches show` 会显示触达所属的实例",
    "There is no touch {}": "没有触达 {}",
    "List them with `journeyd touches`": "请用 `journeyd touches` 列出",
    "List them with `journeyd touches --state uncertain`": "请用 `journeyd touches --state uncertain` 列出",
    "There is no state {}": "没有状态 {}",
    "Use one of {}": "请用其一：{}",
    "The touch is {}": "该触达的状态是 {}",
    "Only uncertain touches can be resolved": "只有结果未知的触达可以裁定",
    "There is no pool {}": "没有券池 {}",
    "{} is no name of a pool": "{} 不是有效的券池名",
    "Use letters, digits, - and _, like SPRING10": "请用字母、数字、- 与 _，例如 SPRING10",
    "{} means several customers: {}": "{} 对应多位客户：{}",
    "Name one with its kind, like user_id:u1": "请写明类型，例如 user_id:u1",
    "Nobody is known as {}": "没有客户 {}",
    "Name a OneID or an identifier ({}), like user_id:u1; see `journeyd customers list`": "请写 OneID 或标识（{}），"
    "例如 user_id:u1；见 `journeyd customers list`",
    # entering by hand
    "No journey {} is published": "没有已发布的旅程 {}",
    "Publish it with `journeyd publish`": "请用 `journeyd publish` 发布",
    "{} is not entered by hand": "{} 不能手动进入",
    "Write `manual: true` under `enter` and publish it. Entered by hand: {}": "请在 `enter` 下写 `manual: true` "
    "并发布。可手动进入的旅程：{}",
    "{} has no identifier to enter by": "{} 没有可用的标识",
    "Send an identify that names the customer first": "请先发送一条 identify 写明该客户",
    "{} is not NAME=VALUE": "{} 不是 名称=值",
    "Write --property total=80, for example": "例如 --property total=80",
    # publishing and holding
    "The journey {} was never published": "旅程 {} 从未发布",
    "Nothing was published yet": "尚未发布",
    "Publish with `journeyd publish`": "请用 `journeyd publish` 发布",
    "There is no older release {}": "没有更早的版本 {}",
    "There is no release to go back to": "没有可回退的版本",
    "Older ones: {}. See `journeyd versions`": "更早的版本：{}。见 `journeyd versions`",
    "{} begins the ids of several releases": "{} 是多个版本编号的开头",
    "Write more of it": "请多写几位",
    "--in-flight {} names no policy": "--in-flight {} 没有写明策略",
    "Write --in-flight cart-rescue=pin, =migrate or =drain": "请写 --in-flight cart-rescue=pin、=migrate 或 =drain",
    "--map {}: runs of {} do not move": "--map {}：旅程 {} 的在途实例不会迁移",
    "Add --in-flight {}=migrate": "请加 --in-flight {}=migrate",
    "--map {} is not understood": "看不懂 --map {}",
    "Write --map cart-rescue:3=4, or :3=pin": "请写 --map cart-rescue:3=4，或 :3=pin",
    "--map {}: no such step": "--map {}：没有此步骤",
    "The steps are shown by `journeyd explain {}`": "步骤见 `journeyd explain {}`",
    "Name one journey, or --all": "请写一个旅程名，或 --all",
    "Write `journeyd {} welcome`, or `journeyd {} --all`": "请写 `journeyd {} welcome`，或 `journeyd {} --all`",
    # rehearsing
    "A mapping is for CSV files": "列映射仅用于 CSV 文件",
    "Add --csv": "请加 --csv",
    "A comparison reads the history twice, and standard input can be read once": "对比需读两遍历史，"
    "而标准输入只能读一遍",
    "Give a file": "请给出文件",
    "--from {} is not before --to {}": "--from {} 不早于 --to {}",
    "Write the earlier one first": "请把较早的写在前面",
    "{} is not a date": "{} 不是日期",
    "Write 2026-05-01, or 2026-05-01T09:30": "请写 2026-05-01，或 2026-05-01T09:30",
    "{} is not NAME=NUMBER": "{} 不是 名称=数字",
    "Write {}, for example": "例如 {}",
    "{} is not a number from 0 on": "{} 不是大于等于 0 的数字",
    "Write digits, like 0.045": "请写数字，例如 0.045",
    "--clicks {} is over 100 %": "--clicks {} 超过 100 %",
    "Write a share, like 5%": "请写比例，例如 5%",
    "--since {} is neither a length of time nor a date": "--since {} 既不是时长也不是日期",
    "Write 2h, 7d, or 2026-05-01T09:30:00Z": "请写 2h、7d 或 2026-05-01T09:30:00Z",
}


def refusal_in(lang: str, error: JourneydError) -> str:
    """Return what an error says, in Chinese where that is asked for and known.

    >>> refusal_in("zh", BadInput("There is no journey x", "Did you mean y?"))
    '没有旅程 x。是否想写 y？'
    """
    if lang != "zh":
        return str(error)
    if isinstance(error, BadInput):
        return "。".join(chinese(said) or said for said in (error.problem, error.remedy) if said)
    return chinese(str(error)) or str(error)


def chinese(sentence: str) -> str:
    """Return the sentence in Chinese, "" when it stands nowhere here."""
    if sentence in _SENTENCES:
        return _SENTENCES[sentence]
    for pattern, said in _patterns():
        found = pattern.fullmatch(sentence)
        if found is not None:
            return said.format(*found.groups())
    return ""


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """The sentences that name something, the more particular ones first."""
    named = sorted((one for one in _SENTENCES if "{}" in one), key=lambda one: -len(one))
    return [(re.compile(re.escape(one).replace(r"\{\}", "(.*)"), re.DOTALL), _SENTENCES[one]) for one in named]
