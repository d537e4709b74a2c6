"""What the command line refuses, in Chinese: English sentence -> Chinese sentence. Called by `main.py`.

A sentence that stands nowhere here is shown in English. `{}` stands for what a sentence is about, in the same order.
"""

import re
from functools import cache
from typing import Final

from engine.cli import import_refusals
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
    # more than one process
    "journeyd {} needs stream.brokers and store.url: without them `journeyd run` does everything": "journeyd {} 需要 "
    "stream.brokers 与 store.url：没有它们时，`journeyd run` 一个进程即可",
    "stream.brokers is set, and {} is not installed. Install it with `pip install 'journeyd[kafka,postgres]'`": "已"
    "设置 stream.brokers，但未安装 {}。请执行 `pip install 'journeyd[kafka,postgres]'`",
    "store.url names a database, and {} is not installed. Install it with `pip install 'journeyd[postgres]'`": ""
    "store.url 指定了数据库，但未安装 {}。请执行 `pip install 'journeyd[postgres]'`",
    "The database is held by another journeyd. Stop it first, or name another database in store.url": "数据库正被"
    "另一个 journeyd 占用。请先停止它，或在 store.url 中指定另一个数据库",
    "The database is held by a journeyd that runs without stream.brokers. Stop it first": "数据库正被"
    "一个未设置 stream.brokers 的 journeyd 占用。请先停止它",
    "customers of this database live in the partitions of a topic: set stream.brokers, or name another database in "
    "store.url": "此数据库的客户分布在主题的各分区中：请设置 stream.brokers，或在 store.url 中指定另一个数据库",
    # the rule engines
    "durable-rules cannot be imported by Python 3.13 or later; journeyd needs 3.11 or 3.12 for it": "Python 3.13 及以上"
    "无法导入 durable-rules；请使用 Python 3.11 或 3.12",
    "durable-rules is not installed: uv sync --extra rules (it is built with a C compiler and Python.h)": "未安装"
    " durable-rules：uv sync --extra rules（需要 C 编译器和 Python.h）",
    "rules.chainer is durable, but {}": "rules.chainer 设为 durable，但 {}",
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
    "There is no {}": "没有 {}",
    "Name a story file or a folder, or try --filter {}": "请指定故事文件或文件夹，或用 --filter {}",
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
    # consents and addresses
    "The row names no purpose": "该行没有写明用途",
    "Name a column purpose, channel or both": "请提供 purpose 列或 channel 列，或两者",
    "Write yes or no": "请写 yes 或 no",
    "{} cannot be read as text: {}": "{} 无法按文本读取：{}",
    "Save it as CSV in UTF-8": "请另存为 UTF-8 编码的 CSV",
    "The reason is over {} characters": "原因超过 {} 个字符",
    "Say it shorter": "请写短一些",
    "The row has no address": "该行没有地址",
    "Name a column address, email or phone": "请提供 address、email 或 phone 列",
    "{} is no address": "{} 不是地址",
    "Write kind:value, like email:mei@brand.example; the kinds are {}": "请写“类型:值”；可用类型：{}",
    "Nothing is said": "没有任何表态",
    "at is missing or lies in the future": "at 缺失或在将来",
    "Say when the word was given": "请写明表态的时间",
    "{} is no purpose and no channel": "{} 既不是用途也不是渠道",
    "Nobody is named": "没有写明是谁",
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
    "There is no stage {}": "没有阶段 {}",
    "There is no tag {}": "没有标签 {}",
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
    # who is one
    "{} and {} are one customer, {}": "{} 与 {} 是同一客户 {}",
    "Part them with `journeyd identity unmerge`; see `journeyd identity log {}`": "请用 `journeyd identity unmerge` "
    "拆分；见 `journeyd identity log {}`",
    "{} has taken nobody in": "{} 没有并入任何客户",
    "`journeyd identity log` shows who was merged with whom": "`journeyd identity log` 显示合并记录",
    "{} may mean several who were taken in: {}": "{} 对应多位被并入的客户：{}",
    "Name one by its OneID": "请用 OneID 指明其一",
    "{} was merged into {}": "{} 已并入 {}",
    "Part that first: journeyd identity unmerge {}": "请先拆分：journeyd identity unmerge {}",
    "--why is over {} characters, or not one line": "--why 超过 {} 个字符，或不止一行",
    "--by is over 64 characters, or not one line": "--by 超过 64 个字符，或不止一行",
    "Write a name": "请写姓名",
    "Shorten it": "请缩短",
    # erasing
    "Nobody was erased as {}": "没有以 {} 删除过的客户",
    "`journeyd customers erased` shows the ledger": "`journeyd customers erased` 列出删除台账",
    "{} is no identifier": "{} 不是标识",
    "Write kind:value, like user_id:u1": "请写 类型:值，例如 user_id:u1",
    "{} is over {} characters, or not one line": "{} 超过 {} 个字符，或不止一行",
    "{} is gone: without it nobody of the erasure ledger is recognised. Restore it from the backup": "{} 不存在："
    "没有它就无法识别删除台账中的客户。请从备份恢复",
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
    # mining and the funnel
    "{} is neither a length of time nor a date": "{} 既不是时长也不是日期",
    "Write 7d, or 2026-05-01": "请写 7d 或 2026-05-01",
    "--since {} is not before --until {}": "--since {} 不早于 --until {}",
    "--since {} is not in the past": "--since {} 不在过去",
    "Write 365d, or a date": "请写 365d 或日期",
    "--by {} is neither source nor a trait": "--by {} 既不是 source 也不是属性",
    "Write source, or a trait like customer.city": "请写 source，或属性，例如 customer.city",
    "audience/lifecycle.yaml declares no stage": "audience/lifecycle.yaml 没有声明任何阶段",
    "Say under stages: when customers reach each": "请在 stages: 下写明客户何时到达各阶段",
    "audience/tags.yaml declares no tag of the model {}": "audience/tags.yaml 没有声明模型 {} 的标签",
    "Add those that journeys and segments are to ask for, under tags:\n{}": "请在 tags: 下添加"
    "旅程和人群要用的标签：\n{}",
    "journeyd.yaml has no write key of scope server. Add one under write_keys": "journeyd.yaml 没有 scope 为 server "
    "的写入密钥。请在 write_keys 下添加",
    "--{} is not for {}": "--{} 不适用于 {}",
    "It knows {}": "可用：{}",
    "{} is no number of days": "{} 不是天数",
    "Write 30d, between 1d and 3650d": "请写 30d，介于 1d 与 3650d",
    "--bands {} is not two probabilities": "--bands {} 不是两个概率",
    "Write the lower one first: 0.4,0.7": "请先写较小的：0.4,0.7",
    "--learn {} is not known": "不认识 --learn {}",
    "Use logistic or boosting": "请用 logistic 或 boosting",
    "--share {} is no share": "--share {} 不是比例",
    "Write 30%, or 0.3": "请写 30% 或 0.3",
    "Learning needs scikit-learn, which is not installed. Install it with `pip install 'journeyd[mining]'`": "训练模型"
    "需要 scikit-learn，尚未安装。请执行 `pip install 'journeyd[mining]'`",
    "The history holds no purchase of a known customer": "历史数据中没有已知客户的购买",
    "The history holds no event with such a property of a known customer": "历史数据中没有已知客户带该属性的事件",
    "The history holds no clear answer of a known customer": "历史数据对已知客户没有给出明确结论",
    "Name the event with --event, bring history with `journeyd ingest`, or give a file with --history": "请用 --event "
    "写明事件，用 `journeyd ingest` 导入历史，或用 --history 给出文件",
    "The history does not teach who stays: of {} customers {} bought nothing within {} days, and at least {} of "
    "each are needed, twice": "历史数据不足以学习：{} 位客户中有 {} 位在 {} 天内未购买，"
    "两类客户各需至少 {} 位，且需两段时间",
    "Bring at least three times {} days of purchases, or ask for fewer days with --within": "请提供至少三倍于 {} 天的"
    "购买历史，或用 --within 缩短天数",
}


_SENTENCES.update(import_refusals.SENTENCES)


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
