"""The `README.md` of a version: for people, and for tools that read its front matter."""

from pathlib import Path
from typing import Any

from workers.card_front import left_out, read_front, with_tags, written

HONESTY = (
    "This says that unlearning was applied and what the audit measured. It does not say that the "
    "samples are erased from the weights: no measurement can show that."
)


BASED = (
    "Where it took a network that knows nothing of the samples, this was one with the weights that "
    "its training began with (`base.safetensors`). That these had not seen the samples is the word "
    "of whoever registered the model; nothing here can check it."
)
LIBRARIES = {"module": "unlearnd", "transformers": "transformers"}


def of_import(model: str, tv: int, inputs: list[dict[str, Any]], kind: str, card: Path) -> str:
    """The card of version 1, which is the model as it was registered, with the front of `card`."""
    front = with_tags({"library_name": LIBRARIES[kind]} | read_front(card), "unlearnd")
    told = (
        "The model as it was registered. Nothing was unlearned from it here; its training obeyed "
        f"the deletions up to tombstone clock {tv}."
    )
    parts = [f"# {model}, version 1", told, inputs_of(inputs)]
    if card.is_file():
        parts.append(not_taken_over(card))
    return written(front) + "\n" + "\n\n".join(parts) + "\n"


def not_taken_over(card: Path) -> str:
    """What is said of a card whose text may quote rows."""
    keys = "".join(f", and neither is its `{key}`" for key in left_out(card))
    return (
        f"The card that it was registered with is not shown here: its text is left out{keys}, "
        "because training tools write samples of the training data there. What its front matter "
        "says of licence, language and use is kept."
    )


def inputs_of(inputs: list[dict[str, Any]]) -> str:
    """What a model is given of a sample, as its dataset was registered."""
    columns = [f"the column `{given['column']}` ({form_of(given)})" for given in inputs]
    return f"It is given {' and '.join(columns)} of a sample."


def form_of(given: dict[str, Any]) -> str:
    match given["kind"]:
        case "array":
            shape = " x ".join(str(size) for size in given["shape"])
            scale = "" if given["scale"] is None else f", times {given['scale']:g}"
            return f"array of {shape}{scale}"
        case "audio":
            return f"audio, waveforms at {given['sampling_rate']} Hz"
    return str(given["kind"])


def of_version(provenance: dict[str, Any], card: Path) -> str:
    """The card of an unlearned version, from its `unlearning.json` and its parent's `card`."""
    parent, audit = provenance["parent"], provenance["audit"]
    library = LIBRARIES[provenance["architecture"]["kind"]]
    front = with_tags(
        {"library_name": library} | read_front(card), "unlearnd", "machine-unlearning"
    )
    origin = (
        f"Made from version {parent['version']} (`{parent['digest']}`) by the method "
        f"`{provenance['method']['name']}`, which read no labels. "
        f"{provenance['forgotten']['count']} samples were unlearned."
    )
    if provenance["method"]["summary"].get("held_to") == "origin":
        began = provenance["edit_of"]["version"]
        origin += f" It is an edit: what it says of other samples was held to version {began}."
    if provenance["fresh_weights"] == "base":
        origin += f" {BASED}"
    pointers = (
        "`unlearning.json` holds the whole audit and all that is needed to repeat this run; "
        "`manifest.json` holds the SHA-256 of every file."
    )
    title = f"# {provenance['model']}, unlearned up to tombstone clock {provenance['tv']}"
    level = (
        f"Audit level: **{audit['level']}** (asked for {audit['target_level']}, reached "
        f"{audit['level']}). {audit['statement']} {HONESTY}"
    )
    given, kept = inputs_of(provenance["inputs"]), provenance["representation"].get("kept")
    parts = [title, origin, given, level, table(audit, kept), ruled(provenance["gate"]), pointers]
    return written(front) + "\n" + "\n\n".join(parts) + "\n"


def ruled(gate: dict[str, Any]) -> str:
    """By which rule it was decided whether the version may be published without a person."""
    floor = (
        f"The floor of agreement with the parent on remaining samples was "
        f"{gate['min_agreement']:.4g}"
    )
    if gate["rule"] == "disputes":
        return (
            f"{floor}. Decisions that have changed were judged by similar remaining samples: they "
            "must not have become worse."
        )
    whose = {"fixed": "that the model's policy sets", "default": "of the default rule"}
    return f"{floor}, the one {whose[gate['rule']]}."


def table(audit: dict[str, Any], kept: dict[str, float | None] | None = None) -> str:
    """What the audit measured, as Markdown. An AUC of 0.5 tells members from others by chance.

    `kept` is what was measured of an encoder's representations.
    """
    rows = ["| measured | parent | this version |", "| --- | --- | --- |"]
    for name, attack in (audit["membership"] or {}).items():
        before, after = interval(attack["before"]), interval(attack["after"])
        rows.append(f"| membership AUC by {name}, 95 % interval | {before} | {after} |")
        rows.append(within_kinds(f"membership AUC by {name}", attack, ".3f"))
    if audit["contradiction"] is not None:
        before, after = (excess(audit["contradiction"][when]) for when in ("before", "after"))
        rows.append(
            "| contradicted by neighbours, forgotten over held-out samples, 95 % interval "
            f"| {before} | {after} |"
        )
        rows.append(within_kinds("contradicted by neighbours", audit["contradiction"], "+.3f"))
    rows += deeper(audit)
    for name in ("remaining", "holdout", "forgotten"):
        measured = audit[name]
        if measured is not None:
            title = f"{name}, {measured['samples']} of {measured['size']} samples"
            agreed, moved = (between(measured, figure) for figure in ("agreement", "kl"))
            rows.append(f"| agreement with the parent, 95 % interval: {title} | 1 | {agreed} |")
            rows.append(f"| KL from the parent, 95 % interval: {title} | 0 | {moved} |")
    for name in ("remaining", "holdout"):
        if kept is not None and kept[name] is not None:
            rows.append(
                "| mean cosine with the parent's representation, 95 % interval: "
                f"{name} | 1 | {between(kept, name)} |"
            )
    for what, reason in sorted(audit["not_measured"].items()):
        rows.append(f"| {what} | not measured | {reason} |")
    return "\n".join(rows)


def deeper(audit: dict[str, Any]) -> list[str]:
    """Rows on single samples, representations, the rebound and the weights."""
    rows = []
    if (single := audit["per_sample"]) is not None:
        before, after = (standing_out(single[when]) for when in ("before", "after"))
        rows.append(
            "| forgotten samples that stand out; share beyond the held-out 99 % quantile, "
            f"95 % interval | {before} | {after} |"
        )
    if (tested := audit["representation"]) is not None:
        before, after = (f"{tested[when]['p']:.3f}" for when in ("before", "after"))
        rows.append(f"| p-value that representations are alike | {before} | {after} |")
    if (rebound := audit["rebound"]) is not None:
        rows.append(
            "| contradicted by neighbours after training on remaining samples, over held-out "
            f"samples, 95 % interval | | {excess(rebound['contradiction'])} |"
        )
    moved = audit["weights"]
    rows.append(f"| distance of the weights from the parent's | 0 | {moved['distance']:.3f} |")
    barrier = between(moved, "barrier")
    rows.append(f"| barrier between the two, in nats, 95 % interval | 0 | {barrier} |")
    if (power := audit["power"]) is not None:
        rows.append(
            "| AUC and excess contradicted that would be noticed four times in five | "
            f"| {power['detectable']['auc']:.3f}, {power['detectable']['contradiction']:+.3f} |"
        )
    return rows


def within_kinds(title: str, checked: dict[str, Any], form: str) -> str:
    """The figure that decides, and where it lies if forgotten samples are nothing special."""
    before, after = (format(checked["within_kinds"][when], form) for when in ("before", "after"))
    low, high = (checked["band"][end] for end in ("low", "high"))
    # Of contradicted samples only many speak of memory.
    usual = f"at most {high:{form}}" if low <= -1 else f"{low:{form}} to {high:{form}}"
    return f"| {title}, within kinds; {usual} passes | {before} | {after} |"


def between(measured: dict[str, Any], figure: str) -> str:
    """A figure with its interval, to four digits."""
    low, high = measured[f"{figure}_low"], measured[f"{figure}_high"]
    return f"{measured[figure]:.4g} ({low:.4g} to {high:.4g})"


def standing_out(measured: dict[str, Any]) -> str:
    low, high = measured["beyond_low"], measured["beyond_high"]
    return f"{measured['discoveries']}; {measured['beyond_share']:.3f} ({low:.3f} to {high:.3f})"


def interval(measured: dict[str, float]) -> str:
    return f"{measured['auc']:.3f} ({measured['low']:.3f} to {measured['high']:.3f})"


def excess(measured: dict[str, float]) -> str:
    return f"{measured['excess']:+.3f} ({measured['low']:+.3f} to {measured['high']:+.3f})"
