"""Which language code is in: by the name a block gives, else by what stands in it."""

import re
from enum import StrEnum
from functools import lru_cache
from itertools import islice


class Language(StrEnum):
    """A language there are rules for; values are the names grammars go by."""

    PYTHON = "python"
    JAVASCRIPT = "javascript"
    TYPESCRIPT = "typescript"
    TSX = "tsx"
    JAVA = "java"
    GO = "go"
    C = "c"
    CPP = "cpp"
    CSHARP = "csharp"
    PHP = "php"
    RUBY = "ruby"
    RUST = "rust"
    SHELL = "bash"
    SQL = "sql"


KINDRED = {
    Language.JAVASCRIPT: (Language.JAVASCRIPT, Language.TYPESCRIPT, Language.TSX),
    Language.C: (Language.C, Language.CPP),
}
"""Languages that a rule for one of them covers as well."""

_NAMES = {
    Language.PYTHON: "python py python3 python2 py3 pycon ipython sage",
    Language.JAVASCRIPT: "javascript js node nodejs mjs cjs ecmascript es6 jsx html htm vue svelte",
    Language.TYPESCRIPT: "typescript ts mts cts",
    Language.TSX: "tsx",
    Language.JAVA: "java jsp",
    Language.GO: "go golang",
    Language.C: "c h objc",
    Language.CPP: "cpp c++ cc cxx hpp hxx arduino cuda",
    Language.CSHARP: "csharp cs c# dotnet",
    Language.PHP: "php php7 php8 phtml",
    Language.RUBY: "ruby rb rails erb",
    Language.RUST: "rust rs",
    Language.SHELL: "bash sh shell zsh ksh console shell-session terminal dockerfile docker",
    Language.SQL: "sql mysql postgresql postgres pgsql plsql tsql sqlite",
}
_BY_NAME = {name: language for language, names in _NAMES.items() for name in names.split()}

_TELLS: dict[Language, tuple[tuple[float, str], ...]] = {
    Language.PYTHON: (
        (3, r"^[ \t]*(?:async )?def \w+\(.*(?::\s*(?:#.*)?|,)$"),
        (3, r"^[ \t]*(?:from [\w.]+ )?import [\w.]+(?: as \w+)?(?:, ?[\w.]+)*\s*$"),
        (2, r"^[ \t]*(?:if|for|while|with|elif|except|class)\b[^{};]*:\s*(?:#.*)?$"),
        (2, r"^[ \t]*(?:else|try|finally):\s*$"),
        (1.5, r"\bself\.\w"),
        (1, r"\b(?:None|True|False|elif|not in|is not)\b"),
        (1, r"\bprint\(f?[\"'\w]|\b[rbf]\"|\"\"\""),
        (1, r"^[ \t]*\w[\w.]* = [\w.]+\(.*\)$"),
    ),
    Language.JAVASCRIPT: (
        (2, r"^[ \t]*(?:const|let|var) [\w{\[][^:]*="),
        (1.5, r"\)? => [{(\w]"),
        (1.5, r"\bfunction\s*\w*\([\w, ]*\)[ \t]*\{"),
        (2, r"\brequire\(['\"]|\bmodule\.exports\b|^export (?:default|const|function)"),
        (2.5, r"\b(?:console\.(?:log|error)|document\.|window\.|process\.env)"),
        (1.5, r"[!=]=="),
        (3, r"^import .* from ['\"]"),
        (1.5, r"\b(?:typeof|undefined|async function|await \w|JSON\.(?:parse|stringify))\b"),
        (1, r"\bthis\.\w+"),
    ),
    Language.TYPESCRIPT: (
        (2, r"\w\??: (?:string|number|boolean|any|void|unknown)\b"),
        (1.5, r"^[ \t]*(?:export )?(?:interface|type) \w+"),
        (1.5, r"^[ \t]*(?:const|let) \w+: "),
        (2.5, r"\b(?:console\.(?:log|error)|document\.|window\.|process\.env)"),
        (2, r"^import .* from ['\"]|\): Promise<"),
        (1, r"\bthis\.\w+|[!=]=="),
    ),
    Language.JAVA: (
        (4, r"^[ \t]*import (?:static )?(?:java|javax|org|com|jakarta)\.[\w.*]+;"),
        (2, r"\b(?:public|private|protected) (?:static |final |abstract )*[\w<>\[\], ]+\([^)]*"),
        (3, r"\bSystem\.(?:out|err)\.|@Override\b|\bthrows [A-Z]"),
        (2, r"\bString(?:\[\])? \w+|\bfinal \w+ \w+|\bboolean \w+"),
        (1.5, r"\bnew [A-Z]\w*(?:<[\w, ]*>)?\("),
        (1, r"\bcatch \((?:\w+ \| )*[A-Z]\w+ \w+\)|\b(?:extends|implements) [A-Z]"),
    ),
    Language.CSHARP: (
        (4, r"^[ \t]*using [A-Z][\w.]+;|^[ \t]*namespace [\w.]+"),
        (3, r"\bConsole\.(?:Write|Read)|\{ get; (?:set|private|init)|\basync Task\b"),
        (2, r"\bstring(?:\[\])? \w+|\bvar \w+ = new \w|\bforeach \(|\bout var\b"),
        (2, r"^[ \t]*\[[A-Z]\w+(?:\(.*\))?\]\s*$"),
        (1.5, r"\b(?:public|private|protected|internal) (?:static |override |async |readonly )*\w"),
        (1, r"\bnew [A-Z]\w*(?:<\w+>)?[({]|\$\""),
        (1, r"\.(?:[A-Z]\w+)\("),
    ),
    Language.GO: (
        (4, r"^package \w+\s*$"),
        (3, r"^[ \t]*func (?:\(\w+ \*?\w+\) )?\w*\("),
        (1.5, r"\w :="),
        (3, r"\berr != nil\b|\bdefer \w|\bgo func\b|\bchan \w|\bmake\("),
        (2, r"\bfmt\.\w|\bhttp\.(?:Handle|Error|Response)|\[\]byte\b"),
    ),
    Language.C: (
        (2.5, r"^[ \t]*#\s*(?:include [<\"]|define \w|ifdef|ifndef|endif)"),
        (2, r"^[ \t]*(?:static |const |unsigned |struct )*(?:int|char|void|long|\w+_t|bool)\b[ *]"),
        (1.5, r"\b(?:malloc|sizeof|memcpy|strcpy|strlen|printf|free|scanf|fprintf)\s*\("),
        (1.5, r"\w->\w"),
        (1, r"\bNULL\b|\bstruct \w+ \*?\w|\bchar \*"),
        (0.5, r";\s*$"),
    ),
    Language.CPP: (
        (2.5, r"^[ \t]*#\s*(?:include [<\"]|define \w|ifdef|ifndef|endif)"),
        (3, r"\bstd::|\bcout\b|\bnullptr\b|\btemplate\s*<|\busing namespace\b"),
        (2, r"\w::~?\w|\bconst \w+&|\bauto [&*]?\w+ ="),
        (1, r"^[ \t]*(?:int|void|bool|double|char|static)\b[ *]|\b(?:new|delete) \w"),
        (1, r"\w->\w|^[ \t]*class \w+|^[ \t]*(?:public|private|protected):"),
        (0.5, r";\s*$"),
    ),
    Language.PHP: (
        (8, r"<\?(?:php|=)"),
        (2.5, r"^[ \t]*\$\w+(?:\[.*?\]|->\w+)* \.?= "),
        (2.5, r"\$(?:this->|_(?:GET|POST|REQUEST|SERVER|SESSION|COOKIE)\b)"),
        (1, r"\bfunction \w+\((?:[\w?]+ )?\$|\becho [\"'$]|\barray\("),
    ),
    Language.RUBY: (
        (2, r"^[ \t]*def (?:self\.)?\w+[?!]?(?:\(.*\))?\s*$"),
        (2, r"^[ \t]*end\s*$"),
        (3, r"\bdo \|[\w, ]+\||^[ \t]*(?:puts|require|require_relative|attr_\w+|include) [\w'\":]"),
        (1.5, r"^[ \t]*@\w+ \|?\|?= |:\w+ => |\bunless\b|\.(?:nil|empty|present)\?|\belsif\b"),
        (1.5, r"#\{\w"),
    ),
    Language.RUST: (
        (3, r"^[ \t]*(?:pub(?:\(\w+\))? )?(?:async |unsafe )*fn \w+"),
        (3, r"\blet mut \w|\bprintln!\(|\bimpl(?:<.*>)? \w|\bunsafe \{|&mut \w|\bmatch \w.*\{"),
        (2, r"\.unwrap\(\)|\bResult<|\bOption<|^[ \t]*use (?:std|crate)::|\bSome\(|\bOk\("),
        (1, r"^[ \t]*let \w+(?:: [\w&<>:]+)? ="),
    ),
    Language.SHELL: (
        (6, r"^#!.*\b(?:ba|z|k|da)?sh\b"),
        (
            2,
            (
                r"^[ \t]*(?:\$ )?(?:sudo|apt|cd|export|echo|mkdir|curl|wget|chmod|rm|cp|mv"
                r"|pip3?|npm|git|ssh) [\w./~$\"'-]"
            ),
        ),
        (2, r"^[ \t]*(?:fi|done|esac)\s*$|; (?:then|do)\s*$|^[ \t]*then\s*$"),
        (1, r"\$\{?\w+\}?|\$\("),
    ),
    Language.SQL: (
        (
            4,
            (
                r"(?i)^[ \t]*(?:select\b.*(?:\bfrom\b|$)|insert into\b|update \w+ set\b"
                r"|delete from\b|create (?:or replace )?(?:table|user|view|function|database)\b"
                r"|alter (?:table|user)\b|drop (?:table|database)\b|grant \w)"
            ),
        ),
        (1, r"(?i)^[ \t]*(?:from|where|join|left join|group by|order by|values|set) "),
    ),
}
_TELLING = {
    language: tuple((weight, re.compile(pattern, re.MULTILINE)) for weight, pattern in tells)
    for language, tells in _TELLS.items()
}
_LOOKED_AT = 2_500
_LONGEST_LINE = 400
_ENOUGH = 2.0
_PLAIN = 4.5
_WORTH = (0.0, 1.0, 1.4, 1.7)
"""What one tell counts for when it is seen no, one, two or more times."""
_CODE_LINE = re.compile(
    r"[;{}()\[\],:>\\]\s*$|^[ \t]*(?:[#@$}\])]|//|/\*|\*|--|import\b|from\b|package\b|use\b|end\b"
    r"|return\b|else\b|\w+ ?[+*/.-]?= ?\S)|\w\(.*\)|^\s{4,}\S"
)
_SENTENCE = re.compile(r"^[ \t]*(?:[-*] )?[A-Z][\w']* (?:[\w',-]+ ){3,}[^;{}=]*[.?!:]\s*$")


def language_named(name: str) -> Language | None:
    """The language a fence's info string names, if there are rules for it."""
    return _BY_NAME.get(name.lower())


def detect_language(code: str, *, bare: bool) -> Language | None:
    """The language ``code`` is most probably in, from its beginning.

    ``bare`` text stands in no fence and may be prose: then it has to be plainly code.
    """
    return _detected(code[:_LOOKED_AT], bare)


@lru_cache(maxsize=64)
def _detected(beginning: str, bare: bool) -> Language | None:
    """Kept, because a reply is judged again and again while its beginning stays the same."""
    lines = [line[:_LONGEST_LINE] for line in beginning.split("\n")]
    if bare and not _plainly_code(lines):
        return None
    sample = "\n".join(lines)
    best, most = None, 0.0
    for language, tells in _TELLING.items():
        score = 0.0
        for weight, pattern in tells:
            hits = sum(1 for _ in islice(pattern.finditer(sample), 3))
            score += weight * _WORTH[hits]
        if score > most:
            best, most = language, score
    return best if most >= (_PLAIN if bare else _ENOUGH) else None


def _plainly_code(lines: list[str]) -> bool:
    told = [line for line in lines if line.strip()]
    if not told:
        return False
    code = sum(1 for line in told if _CODE_LINE.search(line))
    prose = sum(1 for line in told if _SENTENCE.match(line))
    return code >= 0.5 * len(told) and prose <= 0.2 * len(told)
