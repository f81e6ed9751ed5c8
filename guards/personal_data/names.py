"""Names of people, where the words around them say that they are one."""

import re
from collections.abc import Iterator

from guards.detection import Hit
from guards.personal_data import labels

_WORD = r"[^\W\d_a-zß-öø-ÿ\u2e80-\U0010ffff][^\W\d_]{0,20}(?:['\u2019-][^\W\d_]{1,20})?"
_MORE = (
    rf"(?: (?:(?:van|von|de|der|den|del|della|di|da|dos|la|le|bin|al|el) ){{0,2}}{_WORD}"
    r"|\ [A-Z]\.)"
)
_NAME = rf"{_WORD}{_MORE}{{0,3}}"
_FULL_NAME = rf"{_WORD}{_MORE}{{1,3}}"

_SAID = (
    r"(?i:my (?:full |legal )?name is|my name['\u2019]s|ich heiße|ich heisse|mein name ist"
    r"|je m['\u2019]appelle|mon nom est|me llamo|mi nombre es|mi chiamo|il mio nome è|meu nome é"
    r"|(?:eu )?me chamo|mijn naam is|ik heet|jag heter|mitt namn är|nazywam się|mam na imię"
    r"|меня зовут|adım|benim adım) "
)
_FIELD = (
    r"(?i:(?<!\w)(?:full name|first name|last name|surname|given name|maiden name"
    r"|patient(?: name)?|customer(?: name)?|employee(?: name)?|cardholder(?: name)?|attn"
    r"|contact(?: person)?|vor- und nachname|nachname|vorname|nom et prénom|prénom|nom"
    r"|nombre(?: completo)?|apellidos?|nome(?: completo)?|cognome|naam|imię i nazwisko|имя|фио"
    r"|(?<![a-z] )name)): ?"
)
_IS = r"(?<!\w)(?:I am|I['\u2019]m|This is|this is|Ich bin|Je suis|Soy|Sono|Eu sou) "
_TITLE = (
    r"(?<!\w)(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Herr|Frau|Mme|Mlle|Sr|Sra|Srta|Dott|Sig|Señora?|Signora?"
    r"|Monsieur|Madame|Don|Doña|Dhr|Mevr|Pan|Pani|г-н|г-жа)\.? "
)
_GREETING = (
    r"(?<!\w)(?:Dear|Hi|Hello|Hey|Liebe|Lieber|Hallo|Bonjour|Cher|Chère|Estimad[oa]|Hola|Car[oa]) "
)
_SIGNED = (
    r"(?<!\w)(?:Best regards|Kind regards|Regards|Sincerely|Cheers|Best|Thanks"
    r"|Mit freundlichen Grüßen|Cordialement|Saludos),\n+"
)
_INTRODUCED = (
    (_SAID, _NAME, 0.9),
    (_FIELD, _FULL_NAME, 0.85),
    (_IS, _FULL_NAME, 0.5),
    (_TITLE, _NAME, 0.5),
    (_GREETING, _NAME, 0.45),
    (_SIGNED, _FULL_NAME, 0.75),
)
"""What stands before a name, the name, and how likely it is a person's who is not public."""

_PATTERNS = tuple(
    (re.compile(rf"{before}(?P<name>{name})(?!\w)"), base) for before, name, base in _INTRODUCED
)
_NOT_NAMES = frozenset(
    {"I", "The", "A", "An", "It", "This", "That", "There", "Here", "You", "We", "They", "He", "She"}
    | {"My", "Your", "Our", "All", "Everyone", "Everybody", "Sir", "Madam", "Team", "Customer"}
    | {"User", "Friend", "Friends", "Colleagues", "Hiring", "Manager", "Not", "Sorry", "Happy"}
    | {"Glad", "Sure", "Just", "Also", "So", "Well", "Santa", "Siri", "Alexa", "Claude", "Llama"}
)

_SURNAMES = (
    "王李张劉刘陈陳杨楊黄黃赵趙吴吳周徐孙孫马馬朱胡郭何高林罗羅郑鄭梁谢謝宋唐许許"
    "韩韓冯馮邓鄧曹彭曾肖田董袁潘于蒋蔣蔡余杜叶葉程苏蘇魏吕呂丁任沈姚卢盧姜崔"
    "钟鐘谭譚陆陸汪范金石廖贾賈夏韦韋付方白邹鄒孟熊秦邱江尹薛"
    "闫阎段雷侯龙龍史陶黎贺賀顾顧毛郝龚龔邵万萬钱錢严嚴覃武戴莫孔向汤湯"
)
_HAN = r"[\u4e00-\u9fff]"
_CHINESE_SAID = (
    rf"(?:我叫|我的名字是|我名叫|名字叫|本人)(?P<name>[{_SURNAMES}]{_HAN}{{1,2}}?)"
    r"(?=[，。,.、！!\s：:；;的（(]|$)"
)
_CHINESE_FIELD = (
    r"(?:姓名|联系人|收件人|收货人|客户|患者|姓名為|持卡人)[:： 是为]{1,2}"
    rf"(?P<name>[{_SURNAMES}]{_HAN}{{1,2}})"
)
_CHINESE_TITLE = rf"(?<!{_HAN})(?P<name>[{_SURNAMES}]{_HAN}{{0,2}})(?:先生|女士|小姐)"
_JAPANESE_NAME = rf"(?P<name>{_HAN}{{1,3}}[ 　]?{_HAN}{{1,3}})"
_JAPANESE_SAID = rf"(?:私の名前は|私は){_JAPANESE_NAME}(?:と申します|です|といいます)"
_JAPANESE_FIELD = rf"(?:氏名|お名前|名前)[:：は ]{{1,2}}{_JAPANESE_NAME}"
_KOREAN = (
    r"(?:제 이름은|저는|이름은|성명[:：]? ?|이름[:：]) ?"
    r"(?P<name>[김이박최정강조윤장임한오서신권황안송류홍][가-힣]{2})"
    r"(?=입니다|이에요|예요|이고|라고|[ ,.]|$)"
)
_EASTERN_INTRODUCED = (
    (_CHINESE_SAID, 0.9),
    (_CHINESE_FIELD, 0.9),
    (_CHINESE_TITLE, 0.5),
    (_JAPANESE_SAID, 0.85),
    (_JAPANESE_FIELD, 0.85),
    (_KOREAN, 0.85),
)
_EASTERN = tuple((re.compile(pattern), base) for pattern, base in _EASTERN_INTRODUCED)


def names(text: str) -> Iterator[Hit]:
    """Names after words of introduction, greeting or title; a title alone is weak evidence."""
    for pattern, base in _PATTERNS:
        for match in pattern.finditer(text):
            start, end = match.span("name")
            if match["name"].split(" ")[0] not in _NOT_NAMES:
                yield Hit(start=start, end=end, label=labels.PERSON, probability=base)
    for pattern, base in _EASTERN:
        for match in pattern.finditer(text):
            start, end = match.span("name")
            yield Hit(start=start, end=end, label=labels.PERSON, probability=base)
