"""Words of series descriptions, in the languages of the hospitals: data, and how they are found.

Words are lower case and without accents. A word is found between letters of no word: `art` is in
`Abd_ART_5.0` and in `2art`, but not in `part`. Chinese and Japanese words are found anywhere.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

#: Phases of contrast: English, German, French, Spanish and Portuguese, Dutch, Italian, Scandinavian
#: and Slavonic, Chinese and Japanese.
PHASES: dict[str, tuple[str, ...]] = {
    "arterial": (
        *("arterial", "art", "arterial phase", "hap", "arteries", "artery", "late arterial"),
        *("arteriell", "arterielle", "arterieller", "frueharteriell", "spaetarteriell"),
        *("fruharteriell", "spatarteriell", "arteriel", "arterielles", "arteriels"),
        *("arteriosa", "arterioso", "arteriale", "arterieel", "arteriele", "artarfas"),
        *("arteriefase", "tetnicza", "artaer", "артериальная", "артериальная фаза"),
        *("动脉期", "動脈期", "动脉", "動脈", "動脈相"),
    ),
    "venous": (
        *("venous", "ven", "portal", "portovenous", "portalvenous", "pv", "pvp", "porto"),
        *("venos", "venoes", "venose", "venoese", "portalvenos", "portalvenoes", "portovenos"),
        *("pven", "veineux", "veineuse", "portale", "porte", "venosa", "venoso", "portovenosa"),
        *("veneus", "veneuze", "portoveneus", "portaveneus", "venfas", "venefase", "zylna"),
        *("венозная", "портальная", "门静脉期", "静脉期", "門靜脈期", "靜脈期"),
        *("门脉期", "門脈期", "門脈相", "静脈相"),
    ),
    "plain": (
        *("plain", "native", "unenhanced", "noncontrast", "non contrast", "without contrast"),
        *("without", "wo", "w o", "precontrast", "pre contrast", "pre", "ncct", "nect"),
        *("nativ", "ohne km", "ohne kontrast", "leer", "sans injection", "sans contraste"),
        *("sans iv", "sans ic", "non injecte", "sin contraste", "sin", "simple", "sem contraste"),
        *("blanco", "zonder contrast", "blanc", "senza mdc", "senza contrasto", "basale"),
        *("diretta", "utan kontrast", "без контраста", "нативная", "平扫", "平掃", "単純", "单纯"),
    ),
    "late": (
        *("delayed", "delay", "late", "equilibrium", "excretory", "urographic", "hepatobiliary"),
        *("hbp", "spaet", "spat", "spaetphase", "spatphase", "gleichgewicht", "ausscheidung"),
        *("tardif", "tardive", "excretoire", "tardia", "tardio", "retardada", "excretora"),
        *("laat", "late fase", "tardiva", "tardivo", "equilibrio", "sen fas", "отсроченная"),
        *("延迟期", "延遲期", "延迟", "平衡期", "平衡相", "排泄期", "肝胆期"),
    ),
}

#: Sequences of MR.
SEQUENCES: dict[str, tuple[str, ...]] = {
    "flair": ("flair", "dark fluid", "darkfluid", "tirm dark", "da fl", "dark fl"),
    "t1": (
        *("t1", "t1w", "mprage", "mp rage", "t1 tse", "t1 se", "t1 fl2d", "spgr", "fspgr"),
        *("bravo", "vibe", "lava", "thrive", "ethrive", "t1 flash", "3d tfe", "t1 tfe", "t1wi"),
        *("inphase", "in phase", "outphase", "out phase", "opp phase", "dual echo", "t1 flair"),
    ),
    "t2": (
        *("t2", "t2w", "t2 tse", "haste", "ssfse", "ss tse", "sshtse", "frfse", "t2 spair"),
        *("t2 blade", "t2 propeller", "t2wi", "spir t2", "t2 spir"),
    ),
}

#: What says that a contrast agent was given.
CONTRAST = (
    *("post", "gd", "gad", "gado", "ce", "contrast", "enhanced", "postcontrast", "with contrast"),
    *(
        "mit km",
        "km",
        "nach km",
        "n km",
        "injecte",
        "apres injection",
        "gadolinium",
        "con contraste",
    ),
    *("con gd", "contraste", "met contrast", "na contrast", "mdc", "dopo mdc", "con mdc", "t1c"),
    *("t1ce", "t1gd", "c+", "+c", "+gd", "增强", "增強", "造影"),
)

#: Images that are computed, and no scan: what they are called, and their words.
DERIVED: dict[str, tuple[str, ...]] = {
    "a maximum or minimum intensity projection": ("mip", "minip", "mips", "thick mip", "mip range"),
    "a subtraction": ("sub", "subtraction", "subtracted", "subtraktion", "soustraction", "subs"),
    "a diffusion map": ("adc", "apparent", "dadc", "eadc", "exp adc", "fa map", "colfa", "tensor"),
    "a rendering": ("vrt", "vr", "volume rendering", "3d rendering", "cpr", "curved"),
    "a map": ("map", "iodine map", "perfusion map", "cbf", "cbv", "mtt", "ttp", "tmax", "rcbv"),
    "a fusion": ("fusion", "fused", "registered", "overlay"),
    "bolus monitoring": (
        *("premonitoring", "monitoring", "smartprep", "smart prep", "bolustracking"),
        *("bolus tracking", "test bolus", "testbolus", "tracker", "care bolus"),
    ),
}

#: Planning images.
LOCALIZERS = (
    *("localizer", "localiser", "loc", "scout", "topogram", "topo", "surview", "survey", "scano"),
    *("scanogram", "planning", "localisateur", "localizador", "lokalizer", "reperage", "定位"),
    *("定位像", "3 plane", "3plane", "scout view", "calibration", "asset", "calib"),
)

#: Planes other than the one scanned, computed from it.
REFORMATS = ("mpr", "reformat", "reformatted", "cor mpr", "sag mpr", "rekonstruktion")

#: Sequences that are no T1, T2 or FLAIR image, whatever their times say.
OTHER_SEQUENCES = (
    *(
        "dwi",
        "diff",
        "diffusion",
        "dti",
        "trace",
        "ep2d",
        "epi",
        "swi",
        "swan",
        "t2star",
        "t2 star",
    ),
    *("t2*", "t2s", "gre t2", "medic", "perf", "perfusion", "dsc", "dce", "asl", "bold", "fmri"),
    *("pd", "pdw", "tof", "mra", "angio", "phase contrast", "mrs", "spectro", "csi", "mrcp"),
    *("b0 map", "fieldmap", "field map", "trufi", "fiesta", "ciss", "balanced", "btfe", "stir"),
    *("b1000", "b800", "b500", "elastography", "mre", "cine", "mt", "venogram"),
)

#: Reconstructions for bone and lung.
SHARP = (
    *("lung", "bone", "knochen", "lunge", "os", "poumon", "hueso", "pulmon", "bot", "long"),
    *("polmone", "osso", "sharp", "hr", "hrct", "lungs", "edge", "boneplus", "肺", "骨"),
)

_FIRST_IDEOGRAPH = 0x2E7F


def plain_text(text: str) -> str:
    """Text in lower case, without accents, with single spaces for what is no letter or digit.

    A plus and a star stay, since `+c` and `t2*` mean something.
    """
    composed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    letters = "".join(one for one in composed if not unicodedata.combining(one)).lower()
    return " ".join(re.sub(r"[^\w+*]|_", " ", letters).split())


def found_in(text: str, words: Iterable[str]) -> str:
    """The longest of the words that a text holds; empty if it holds none.

    Args:
        text: as `plain_text` gives it.
        words: entries of this module.
    """
    return max((word for word in words if _pattern(word).search(text)), key=len, default="")


@cache
def _pattern(word: str) -> re.Pattern[str]:
    escaped = re.escape(unicodedata.normalize("NFKD", word)).replace(r"\ ", " ?")
    if any(ord(one) > _FIRST_IDEOGRAPH for one in word):
        return re.compile(escaped)
    # A word ends where a digit begins, and a number (of t1, b1000) where a letter does.
    before = r"(?<![^\W\d_])" if word[0].isalpha() else ""
    after = r"(?!\d)" if word[-1].isdigit() else r"(?![^\W\d_])"
    return re.compile(before + escaped + after)
