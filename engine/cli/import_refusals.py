"""What `journeyd import` refuses, in Chinese, rows of files too: who imports them mends them in Excel.

Read by `refusals.py` together with its own.
"""

from typing import Final

SENTENCES: Final[dict[str, str]] = {
    # cells
    "{}: {} is a number that Excel has rounded": "{}：{} 是被 Excel 取整的数字",
    "Its digits are lost: format the column as text, fill it anew from the source and save again": "末尾数字已丢失："
    "请把该列设为文本格式，从来源重新填写后再保存",
    "A tool made a fraction of it. Write {} as text": "它被工具变成了小数。请以文本写 {}",
    "{}: this is no {}": "{}：不是有效的 {}",
    "{}: {} is no {}": "{}：{} 不是有效的 {}",
    "{}: this is no list": "{}：不是列表",
    "{}: {} is not a number": "{}：{} 不是数字",
    "{}: {} is too big for a number": "{}：{} 超出数字范围",
    "{}: {} is neither yes nor no": "{}：{} 既不是“是”也不是“否”",
    "{}: {} is not a date": "{}：{} 不是日期",
    "Correct it": "请更正",
    "Correct it, or leave the cell empty": "请更正，或把单元格留空",
    "Excel keeps 15 digits: format the column as text and fill it anew from the source": "Excel 只保留 15 位数字："
    "请把该列设为文本格式并从来源重新填写",
    "Map it as text": "请按 text 映射",
    "Write digits, or map it as text": "请写数字，或按 text 映射",
    "Write it as text": "请写成文本",
    "Write the texts with , between them": "请用 , 分隔各文本",
    "Write up to 256 characters, none of control": "请写不超过 256 个字符，不含控制字符",
    "Write yes or no (是, 否)": "请写 是 或 否",
    "Write ISO 8601, like 2026-05-01": "请写 ISO 8601，例如 2026-05-01",
    "Day or month first? Write the year first, like 2026-05-01": "日在前还是月在前？请把年写在前面，例如 2026-05-01",
    # rows
    "The line is not an object": "该行不是对象",
    'Write {"phone": "138..."}': '请写 {"phone": "138..."}',
    "The line is over {} bytes": "该行超过 {} 字节",
    "Write one object a line": "请每行写一个对象",
    "The row is broken: {}": "该行已损坏：{}",
    "Look for a quotation mark that is not closed": "请检查是否有未闭合的引号",
    "The row has more cells than the header": "该行的单元格多于表头",
    "Quote cells that hold {}": "含有 {} 的单元格请加引号",
    "The row holds text of another encoding": "该行含有其他编码的文字",
    "Save the file as UTF-8, or say its encoding: --encoding gb18030": "请把文件存为 UTF-8，"
    "或写明编码：--encoding gb18030",
    "The row holds NUL": "该行含有 NUL 字符",
    "Remove it, or export the file anew": "请删除，或重新导出文件",
    "The row names no account": "该行没有写明公司",
    'Map its id: --map "Company=account"': '请映射公司编号：--map "公司=account"',
    "The row names no member: an account is known by its people": "该行没有成员：公司须由其成员得知",
    "Map a column of user ids to members, or identifiers of one member per row": "请把用户编号列映射为 members，"
    "或每行写一位成员的标识",
    "The row has over {} members": "该行成员超过 {} 位",
    "Write a row per member": "请每位成员写一行",
    "The row does not say what happened": "该行没有写明发生了什么",
    "Map a column to event, or add --event NAME": "请把一列映射为 event，或加 --event 名称",
    "The row does not say when it happened": "该行没有写明时间",
    'Map a column: --map "Date=at"': '请映射时间列：--map "日期=at"',
    # files
    "{} is an Excel workbook": "{} 是 Excel 工作簿",
    'Save it in Excel as "CSV UTF-8 (Comma delimited)" and import that': "请在 Excel 中另存为"
    "“CSV UTF-8（逗号分隔）”后再导入",
    "{} has no header line": "{} 没有表头",
    "Name the columns in its first line": "请在第一行写列名",
    "{} has two columns {}": "{} 有两列名为 {}",
    "Rename or delete one of them": "请改名或删除其中一列",
    "{} is cut off or broken": "{} 不完整或已损坏",
    "Pack or copy it anew; lines before it are taken": "请重新打包或复制；此前的行已接收",
    "The file's text is neither UTF-8 nor GB18030": "文件文字既不是 UTF-8 也不是 GB18030",
    "Say what it is: --encoding big5": "请写明编码：--encoding big5",
    "--encoding {} is no encoding": "--encoding {} 不是编码",
    "Write one like utf-8 or gb18030": "请写 utf-8 或 gb18030 之类",
    "--delimiter {} is not one character": "--delimiter {} 不是单个字符",
    "Write one, like ;": "请写一个字符，例如 ;",
    "Parquet files need pyarrow. Install it with `pip install 'journeyd[parquet]'`": "读取 Parquet 需要 pyarrow。"
    "请执行 `pip install 'journeyd[parquet]'`",
    "{} is no Parquet file": "{} 不是 Parquet 文件",
    "Write it anew, or import CSV": "请重新生成，或改用 CSV",
    "{}: stopped at line {}, {} lines were refused": "{}：在第 {} 行停止，已有 {} 行被拒绝",
    "See {}. Mend the mapping or the file, or allow more with --most-refused": "请看 {}。请更正映射或文件，"
    "或用 --most-refused 放宽",
    # the mapping
    "--map {} is not COLUMN=FIELD": "--map {} 的写法应为 列名=字段",
    'Write --map "手机号=phone" or --map "Signup=created_at:time"': '请写 --map "手机号=phone" 或 '
    '--map "注册时间=created_at:time"',
    "{} is no mapping": "{} 不是映射文件",
    "{} is no mapping: over {} bytes": "{} 不是映射文件：超过 {} 字节",
    "{} is no YAML: {}": "{} 不是 YAML：{}",
    'Write "columns:" with a line per column, like 手机号: phone': "请写 columns:，每列一行，例如 手机号: phone",
    "Write columns: {手机号: phone}": "请写 columns: {手机号: phone}",
    "{}: {} is not a field's name": "{}：{} 的字段名无效",
    "{}: {} is no type": "{}：{} 不是类型",
    "{} is no name of a field": "{} 不是字段名",
    "Two columns are mapped to {}": "两列都映射到 {}",
    "Map one of them to another name, or to -": "请把其中一列映射到其他名称，或 -",
    "{} has no column {}": "{} 没有列 {}",
    "Its columns are {}": "它的列：{}",
    "{}: no column names anybody": "{}：没有能指明客户的列",
    'Say which column names the customer, like --map "{}=phone". Its columns are {}': "请写明哪一列指明客户，"
    '例如 --map "{}=phone"。它的列：{}',
    "{}: no column is the account's id": "{}：没有公司编号列",
    "Map one to account. Its columns are {}": "请把一列映射为 account。它的列：{}",
    "The mapping is said twice": "映射写了两次",
    "Give --map or --mapping": "请只用 --map 或 --mapping",
    "Nobody has looked at this guess": "还没有人确认这份推测",
    "Add --yes when it is right, or say it with --map; --dry-run shows more": "正确则加 --yes，否则用 --map 写明；"
    "--dry-run 显示更多",
    "Nobody has said what the columns of standard input mean": "标准输入的各列含义尚未写明",
    "Add --map, --mapping or --yes": "请加 --map、--mapping 或 --yes",
    # lists
    "{} is no name of a list": "{} 不是有效的名单名",
    "Use a short one, like fair-2026": "请用短名称，例如 fair-2026",
    "Nobody was taken off the list: {}": "没有人被移出名单：{}",
}
