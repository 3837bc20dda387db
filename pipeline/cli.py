"""The ``gristmill`` command. Every command imports what it needs when it runs, so that ``--help`` is quick.

Errors that a user can mend are printed without a traceback (exit code 1; 2 for wrong usage). Ctrl-C keeps finished
work and says how to go on (130).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.errors import GristmillError, disk_error

if TYPE_CHECKING:
    from pipeline.reports.opened import OpenedRun
    from pipeline.reports.stored_run import StoredRun

INTERRUPTED = 130


class Commands(TyperGroup):
    """Turns our errors into messages, for all commands alike."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except GristmillError as error:
            _complain(str(error))
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            _complain("interrupted; finished work is kept: run the same command again to go on")
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            known = disk_error(error, "store or runs")
            if known is None:
                raise
            _complain(str(known))
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=Commands,
    name="gristmill",
    help="Pre-training corpora from one recipe: curated, deduplicated, mixed, tokenized, and accounted for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
mix_app = typer.Typer(cls=Commands, help="The training mix.", no_args_is_help=True, rich_markup_mode=None)
tokens_app = typer.Typer(cls=Commands, help="Token shards.", no_args_is_help=True, rich_markup_mode=None)
lm_app = typer.Typer(cls=Commands, help="n-gram language models.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(mix_app, name="mix")
app.add_typer(tokens_app, name="tokens")
app.add_typer(lm_app, name="lm")
classifier_app = typer.Typer(cls=Commands, help="Quality classifiers.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(classifier_app, name="classifier")

RecipePath = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name below ./runs.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME.KEY=VALUE", help="Set any key of the recipe; may be repeated."),
]
Query = Annotated[str, typer.Argument(metavar="ID", help="An id, a URL, a part of one, or an address.")]


def _print_version(asked: bool) -> None:
    if asked:
        import gristmill

        print(gristmill.__version__)
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
]


@app.callback()
def _start(version: Version = False) -> None:
    import gristmill

    for place in gristmill.shadowed():
        _note(f"note: {place} has the name of one of Gristmill's packages; it is not used")


@app.command("run")
def run_command(
    recipe: RecipePath,
    settings: Settings = None,
    sample: Annotated[float | None, typer.Option(help="Run a share of the documents, as in 0.01.")] = None,
    executor: Annotated[str | None, typer.Option(help="ray or local.")] = None,
    workers: Annotated[int | None, typer.Option(help="Tasks at a time.")] = None,
    address: Annotated[str | None, typer.Option(help="Address of a Ray cluster.")] = None,
) -> None:
    """Run a recipe; what is in the store already is not computed again."""
    _check_options(sample, executor, workers)
    from pipeline.executors.nursery import early_nursery

    with early_nursery(executor, workers) as nursery:  # imports while this process does
        from pipeline.run_recipe import run_recipe
        from pipeline.terminal import run_progress

        progress = run_progress()
        try:
            folder = run_recipe(
                recipe,
                overrides=settings or (),
                sample=sample,
                executor=executor,
                workers=workers,
                address=address,
                progress=progress,
                nursery=nursery,
            )
        finally:
            progress.close()
    _print_report(folder)


def _check_options(sample: float | None, executor: str | None, workers: int | None) -> None:
    if sample is not None and not 0 < sample <= 1:
        raise typer.BadParameter("give a share above 0 and up to 1, as in 0.01", param_hint="--sample")
    if executor not in (None, "ray", "local"):
        raise typer.BadParameter("known are ray and local", param_hint="--executor")
    if workers is not None and workers < 1:
        raise typer.BadParameter("give a number of 1 or more", param_hint="--workers")


@app.command("plan")
def plan_command(
    recipe: RecipePath,
    settings: Settings = None,
    sample: Annotated[float | None, typer.Option(help="As for run.")] = None,
    pilot: Annotated[bool, typer.Option("--pilot/--no-pilot", help="Measure on a small part of the input.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Check a recipe; estimate time, memory and disk from a pilot; say what is in the store already."""
    _check_options(sample, None, None)
    from pipeline.pilot.forecast import forecast
    from pipeline.recipe.loader import load_recipe
    from pipeline.reports.plan_table import plan_json, print_plan
    from pipeline.terminal import console, text

    found = forecast(load_recipe(recipe, settings or ()), sample, pilot=pilot)
    if as_json:
        print(json.dumps(plan_json(found), indent=1, ensure_ascii=False))
        return
    out = console()
    print_plan(found, out)
    out.print(text(f"next: gristmill run {recipe}", "bold"), soft_wrap=True)


@app.command("doctor")
def doctor_command(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="Look at what this recipe uses.")] = None,
    settings: Settings = None,
    store: Annotated[str | None, typer.Option(help="Folder or URI of a store; the recipe's, or ./store.")] = None,
    address: Annotated[str | None, typer.Option(help="Address of a Ray cluster.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Check this machine, a store and a cluster: versions, disk, memory, Ray. Exit code 1 if something is not fit."""
    from pipeline.doctor.examine import examine, subject
    from pipeline.recipe.loader import load_recipe
    from pipeline.reports.doctor_table import checks_json, has_failed, print_checks
    from pipeline.terminal import console

    loaded = None if recipe is None else load_recipe(recipe, settings or ())
    checks = examine(subject(loaded, store, address))
    if as_json:
        made = list(checks)
        print(json.dumps(checks_json(made), indent=1, ensure_ascii=False))
    else:
        made = print_checks(checks, console())
    if has_failed(made):
        raise typer.Exit(1)


@app.command("status")
def status_command(run: Annotated[str | None, typer.Argument(metavar="[RUN]")] = None) -> None:
    """The runs below ./runs, or how far one run is."""
    from pipeline.reports.status import print_run, print_runs
    from pipeline.runs import find_run
    from pipeline.terminal import console

    if run is None:
        print_runs("runs", console())
    else:
        print_run(find_run(run), console())


@app.command("gc")
def gc_command(
    workspace: Annotated[str, typer.Argument(metavar="WORKSPACE", help="The folder that holds store and runs.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be freed.")] = False,
) -> None:
    """Free what no run in WORKSPACE/runs needs of WORKSPACE/store."""
    from pipeline.gc import collect_garbage
    from pipeline.reports import figures

    freed = collect_garbage(workspace, dry_run)
    print(f"kept: {', '.join(freed.kept) or 'no run'}")
    if freed.running:
        print(f"at work: {', '.join(freed.running)}; only left-overs older than a day are freed until they end")
    said = "would free" if dry_run else "freed"
    print(
        f"{said} {figures.size(freed.bytes)}: {freed.blocks} blocks, {freed.units} units of others, "
        f"{freed.files} files of killed attempts"
    )


@app.command("report")
def report_command(
    run: RunName,
    other: Annotated[str | None, typer.Argument(metavar="[RUN2]", help="Show how this one differs.")] = None,
) -> None:
    """The reduction table of a run, or what differs between two."""
    from pipeline.runs import find_run

    if other is None:
        _print_report(find_run(run))
        return
    from pipeline.reports.difference import print_difference
    from pipeline.reports.report import read_report
    from pipeline.reports.stored_run import StoredRun
    from pipeline.terminal import console

    folders = find_run(run), find_run(other)
    one, two = (StoredRun.open(folder).recipe_text for folder in folders)
    print_difference(read_report(folders[0]), read_report(folders[1]), (one, two), console())


@app.command("why")
def why_command(run: RunName, query: Query) -> None:
    """What happened to one document, and why."""
    from pipeline.reports.find_document import find_document, quarantined_records
    from pipeline.reports.why import tell
    from pipeline.reports.why_text import print_quarantined, print_story
    from pipeline.terminal import console

    stored = _stored(run)
    records = quarantined_records(stored, query)
    if records:
        print_quarantined(records, console())
        return
    print_story(stored, tell(stored, find_document(stored, query)), console())


@app.command("sample")
def sample_command(
    run: RunName,
    rule: Annotated[str | None, typer.Option(help="kept, or a rule: word_count:too_short, or a part of it.")] = None,
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    language: Annotated[str | None, typer.Option(help="Only of this language.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many of each rule.")] = 3,
) -> None:
    """Some dropped or kept documents, personal data masked."""
    from pipeline.reports.sample_text import print_samples
    from pipeline.terminal import console

    print_samples(_opened(run).samples(), console(), rule, source, language, n)


@app.command("whatif")
def whatif_command(run: RunName, settings: Settings = None) -> None:
    """What other thresholds would have done, from stored signals."""
    if not settings:
        raise typer.BadParameter("give a threshold, as in --set word_count.min_words=80", param_hint="--set")
    from pipeline.reports.build import stage_order
    from pipeline.reports.whatif import what_if
    from pipeline.reports.whatif_table import print_what_if
    from pipeline.terminal import console

    stored = _stored(run)
    print_what_if(what_if(stored, settings), console(), [stage[0] for stage in stage_order(stored)])


@app.command("thresholds")
def thresholds_command(
    run: RunName,
    method: Annotated[
        str, typer.Option(help="quantile, deviation, same_quantile, mean_std or median_ratio.")
    ] = "quantile",
    share: Annotated[float, typer.Option(help="quantile: share of documents that a rule may drop.")] = 0.05,
    deviations: Annotated[float, typer.Option(help="deviation: robust standard deviations from the median.")] = 3.0,
    like: Annotated[str | None, typer.Option(help="Language whose thresholds the last three carry over.")] = None,
    reference: Annotated[str | None, typer.Option(help="Look at documents of this source, or of another run.")] = None,
    by: Annotated[str, typer.Option(help="Column whose values get thresholds of their own.")] = "language",
    stage: Annotated[list[str] | None, typer.Option(help="Only this stage; may be repeated.")] = None,
    signal: Annotated[list[str] | None, typer.Option(help="Only rules on this signal; may be repeated.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="Only this language (or value of --by).")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also rules that are switched off in the run.")] = False,
    least: Annotated[int, typer.Option(min=1, help="Fewest documents that a language needs.")] = 100,
    out: Annotated[str | None, typer.Option(help="Write a file instead of printing.")] = None,
) -> None:
    """Thresholds for each language from stored signals, as stages that a recipe includes."""
    if not 0 <= share < 1:
        raise typer.BadParameter("give a share from 0 up to, but not, 1, as in 0.05", param_hint="--share")
    from pipeline.reports.threshold_methods import Method
    from pipeline.reports.threshold_scope import Request
    from pipeline.reports.thresholds import derive_thresholds
    from pipeline.reports.thresholds_yaml import thresholds_yaml

    asked = Request(
        Method(method, share, deviations), by, like, reference, tuple(stage or ()), tuple(signal or ()),
        tuple(language or ()), every, least,
    )  # fmt: skip
    found = derive_thresholds(_stored(run), asked)
    text = thresholds_yaml(found)
    if out is None:
        print(text, end="")
        return
    from pipeline.storage import Folder

    folder, name = os.path.split(out)
    Folder(folder or ".").write(name, text.encode())


@app.command("dups")
def dups_command(run: RunName, query: Query) -> None:
    """The copies of a document, as corpus stages found them, and how they differ from the one that stays."""
    from pipeline.reports.copies import print_copies
    from pipeline.reports.find_document import find_document
    from pipeline.terminal import console

    stored = _stored(run)
    print_copies(stored, find_document(stored, query), console())


@app.command("schema")
def schema_command(
    report: Annotated[bool, typer.Option("--report", help="Of report.json instead of recipes.")] = False,
) -> None:
    """JSON Schema of recipes (for editors), or of report.json."""
    if report:
        from pipeline.reports.model import report_schema

        schema = report_schema()
    else:
        from pipeline.recipe.schema import recipe_schema

        schema = recipe_schema()
    print(json.dumps(schema, indent=2, ensure_ascii=False))


@app.command("train")
def train_command(run: RunName) -> None:
    """Train again on the mix of a run, as its recipe says."""
    from pipeline.run_recipe import sequence_length, train_run
    from pipeline.runs import load_run, lock

    stored = _stored(run)
    recipe = stored.recipe
    if recipe.train is None or not stored.folder.child("mix").exists("plan.json"):
        raise GristmillError(
            f"run {stored.run.name} has nothing to train", remedy="its recipe needs `tokenize`, `mix` and `train`"
        )
    with lock(stored.folder):
        train_run(recipe, stored.folder, sequence_length(recipe))
        from pipeline.reports.report import write_report

        write_report(load_run(stored.run.folder))
    _print_report(stored.run.folder)


@mix_app.command("preview")
def mix_preview(run: RunName) -> None:
    """The mix of a run: what was asked for, what came of it."""
    from pipeline.reports.mix_text import print_mix
    from pipeline.terminal import console

    print_mix(_stored(run), console())


@tokens_app.command("inspect")
def tokens_inspect(run: RunName) -> None:
    """What the token shards of a run hold."""
    from pipeline.reports.tokens_text import print_tokens
    from pipeline.terminal import console

    print_tokens(_stored(run), console())


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES",
        help="UTF-8 text, one sentence a line; or documents: JSON Lines, Parquet, Arrow, CSV, a folder, a run.",
    ),
]
TextKey = Annotated[str, typer.Option(help="Column of the text, or its path in JSON.")]
TokenizerPath = Annotated[
    str | None, typer.Option(help="A .model of sentencepiece, or a tokenizer.json for bpe.", metavar="PATH")
]


@lm_app.command("train")
def lm_train(
    files: Files,
    out: Annotated[str, typer.Option(metavar="PATH", help="The ARPA file to write.")],
    tokens: Annotated[str, typer.Option(help="words, characters, bpe or sentencepiece.")],
    order: Annotated[int, typer.Option(min=1, max=16, help="Length of the longest n-grams.")] = 5,
    prune: Annotated[str, typer.Option(help="Counts up to which n-grams are left out: 0,0,1.")] = "0",
    prepare: Annotated[str, typer.Option(help="ccnet (small letters, digits as 0 …) or plain.")] = "ccnet",
    sentences: Annotated[str, typer.Option(help="lines, or documents: a file is one line.")] = "lines",
    tokenizer: TokenizerPath = None,
    memory: Annotated[float, typer.Option(min=0.1, help="GB that the training may take.")] = 8.0,
    text_key: TextKey = "text",
) -> None:
    """Train an n-gram model (modified Kneser-Ney) on text files, documents or runs."""
    _check_preparation(prepare, tokens, sentences)
    from classifiers.language_model import Preparation
    from pipeline.language_models import train_model
    from pipeline.reports import figures

    try:
        counts = [int(count) for count in prune.split(",")]
    except ValueError:
        raise typer.BadParameter("give numbers between commas, as in 0,0,1", param_hint="--prune") from None
    preparation = Preparation(prepare, tokens, sentences)  # type: ignore[arg-type]
    made = train_model(
        files,
        out,
        preparation,
        order=order,
        prune=counts,
        tokenizer=tokenizer,
        max_bytes=int(memory * 1e9),
        text_key=text_key,
    )
    for length, count in enumerate(made.ngrams, 1):
        print(f"{length}-grams: {figures.count(count)}")
    for length in made.fallback:
        _note(f"note: too little text to estimate the discounts of {length}-grams; 0.5, 1 and 1.5 were taken")
    _note(f"wrote {out}, {figures.size(made.size)}")


@lm_app.command("score")
def lm_score(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An ARPA file, perhaps .gz, or a KenLM binary.")],
    files: Files,
    lines: Annotated[bool, typer.Option("--lines", help="Print the perplexity of each line before it.")] = False,
    prepare: Annotated[str | None, typer.Option(help="For models that do not say it: ccnet or plain.")] = None,
    tokens: Annotated[
        str | None, typer.Option(help="For models that do not say it: words, characters, bpe or sentencepiece.")
    ] = None,
    sentences: Annotated[str | None, typer.Option(help="lines, or documents: a file is one line.")] = None,
    tokenizer: TokenizerPath = None,
    text_key: TextKey = "text",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: a line for each file.")] = False,
) -> None:
    """Perplexity of text files, documents or runs under a model."""
    _check_preparation(prepare, tokens, sentences)
    from pipeline.language_models import line_perplexities, open_model, score_file
    from pipeline.reports.inert import inert

    loaded = open_model(model, prepare, tokens, sentences, tokenizer)  # type: ignore[arg-type]
    for file in files:
        if lines:
            for value, line in line_perplexities(loaded, file, text_key):
                print(f"{value:.4f}\t{inert(line)}")
            continue
        found = score_file(loaded, file, text_key)
        if as_json:
            print(json.dumps({"file": file, **found._asdict()}, ensure_ascii=False))
            continue
        said = "no perplexity" if found.perplexity is None else f"perplexity {found.perplexity:,.2f}"
        unknown = found.unknown / max(found.tokens, 1)
        print(inert(f"{file}: {said}, {found.lines:,} lines, {found.tokens:,} tokens, {unknown:.2%} of them unknown"))


def _check_preparation(prepare: str | None, tokens: str | None, sentences: str | None) -> None:
    for value, known, option in (
        (prepare, ("ccnet", "plain"), "--prepare"),
        (tokens, ("words", "characters", "bpe", "sentencepiece"), "--tokens"),
        (sentences, ("lines", "documents"), "--sentences"),
    ):
        if value is not None and value not in known:
            raise typer.BadParameter(f"known are {', '.join(known)}", param_hint=option)


Positive = Annotated[list[str] | None, typer.Option(help="Good documents: a file, folder or run; may be repeated.")]
Negative = Annotated[list[str] | None, typer.Option(help="Ordinary documents: a file, folder or run; may be repeated.")]
Labelled = Annotated[list[str] | None, typer.Option(help="Both: a file with labels, fastText's format, or a run.")]
LabelKey = Annotated[str, typer.Option(help="Column of the label, or its path in JSON.")]
PositiveLabel = Annotated[str, typer.Option(help="The label of good documents in labelled files.")]


@classifier_app.command("train")
def classifier_train(
    out: Annotated[str, typer.Option(metavar="PATH", help="The model file to write, as in quality.bin.")],
    positive: Positive = None,
    negative: Negative = None,
    labelled: Labelled = None,
    test_positive: Annotated[list[str] | None, typer.Option(help="Good documents to test with only.")] = None,
    test_negative: Annotated[list[str] | None, typer.Option(help="Ordinary documents to test with only.")] = None,
    test_labelled: Annotated[list[str] | None, typer.Option(help="Both, to test with only.")] = None,
    text_key: TextKey = "text",
    label_key: LabelKey = "label",
    positive_label: PositiveLabel = "1",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any key of the fit `classifier`; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Train a fastText classifier of good against ordinary documents, and test it on some that it has not seen."""
    from pipeline.classifier_files import ExampleFiles, notes_text, train_classifier

    keys = text_key, label_key, positive_label
    examples = ExampleFiles(positive or (), negative or (), labelled or (), *keys)
    test = ExampleFiles(test_positive or (), test_negative or (), test_labelled or (), *keys)
    notes = train_classifier(examples, test, out, _fit_settings(settings or ()))
    print(json.dumps(notes, indent=1, ensure_ascii=False) if as_json else notes_text(notes))
    _note(f"wrote {out}")


@classifier_app.command("evaluate")
def classifier_evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A fastText model, .bin or .ftz.")],
    positive: Positive = None,
    negative: Negative = None,
    labelled: Labelled = None,
    label: Annotated[str | None, typer.Option(help="The model's label that is the score.")] = None,
    prepare: Annotated[str | None, typer.Option(help="plain, dclm, dolma, glotlid or fasttext_lines.")] = None,
    keep: Annotated[float, typer.Option(min=0, max=1, help="Share of ordinary documents to keep.")] = 0.1,
    text_key: TextKey = "text",
    label_key: LabelKey = "label",
    positive_label: PositiveLabel = "1",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """How well a classifier tells documents apart: AUC, precision and recall, calibration."""
    from typing import get_args

    from classifiers.text_scores import Preparation
    from pipeline.classifier_files import ExampleFiles, evaluate_classifier, evaluation_text

    if prepare is not None and prepare not in get_args(Preparation):
        raise typer.BadParameter(f"known are {', '.join(get_args(Preparation))}", param_hint="--prepare")
    test = ExampleFiles(positive or (), negative or (), labelled or (), text_key, label_key, positive_label)
    found = evaluate_classifier(model, test, label, prepare, keep)  # type: ignore[arg-type]
    print(json.dumps(found, indent=1) if as_json else evaluation_text(found))


def _fit_settings(settings: Sequence[str]) -> dict[str, Any]:
    """``key=value`` as settings of the fit, the values as YAML has them."""
    from pydantic import ValidationError

    from stages.quality.classifier_fit import ClassifierFit

    found: dict[str, Any] = {}
    sides: dict[str, Any] = {"positive": {"source": "positive"}, "negative": {"source": "negative"}}
    for setting in settings:
        key, _, value = setting.partition("=")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
        if key in ("positive", "negative", "evaluate", "from"):
            raise typer.BadParameter(f"{key} is said by the files", param_hint="--set")
    try:
        ClassifierFit.model_validate(sides | found)
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", param_hint="--set") from None
    return found


def _print_report(folder: str) -> None:
    from pipeline.reports.report import read_report, read_timings
    from pipeline.reports.table import print_report
    from pipeline.terminal import console

    report = read_report(folder)
    timings = read_timings(folder) if report.run.status == "finished" else None
    print_report(report, console(), _near(folder), timings)


def _near(folder: str) -> str:
    """The folder as seen from here, where it lies below the working directory."""
    if "://" in folder:
        return folder
    path = os.path.relpath(folder)
    return folder if path.startswith(os.pardir) else path


def _opened(run: str) -> OpenedRun:
    import gristmill

    return gristmill.open(run)


def _stored(run: str) -> StoredRun:
    return _opened(run).stored


def _complain(message: str) -> None:
    from pipeline.reports.inert import inert

    print(inert(f"gristmill: {message}"), file=sys.stderr)


def _note(message: str) -> None:
    from pipeline.reports.inert import inert

    print(inert(message), file=sys.stderr)
