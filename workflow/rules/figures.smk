# evaluations, histories, fixed points -> a figure and the numbers it plots
rule figures:
    input:
        lambda w: [study.target(path) for _, path in study.figure_inputs(w.figure)],
    output:
        pdf=report(
            "results/figures/{figure}.pdf",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "format": "PDF"},
        ),
        png=report(
            "results/figures/{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "format": "PNG"},
        ),
        csv=report(
            "results/figures/{figure}.csv",
            caption="../report/source_data.rst",
            category="Figures",
            labels={"figure": "{figure}", "format": "source data"},
        ),
    log:
        "results/logs/figures/{figure}.log",
    benchmark:
        "results/benchmarks/figures/{figure}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=lambda w: code("figures", f"figures.{study.figure(w.figure).module}"),
        module=lambda w: study.figure(w.figure).module,
        settings=lambda w: study.figure_settings(w.figure),
        inputs=lambda w: named_inputs(study.figure_inputs(w.figure)),
    message:
        "Drawing {wildcards.figure}"
    shell:
        "exec python -m rnnpipe figures --figure {params.module} --settings {params.settings:q}"
        " {params.inputs} --out {output.pdf} > {log} 2>&1"


# one turn of the 3-D axes of a figure
rule animation:
    input:
        lambda w: [study.target(path) for _, path in study.figure_inputs(w.figure)],
    output:
        gif=report(
            "results/figures/{figure}.gif",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "format": "animation"},
        ),
    log:
        "results/logs/animation/{figure}.log",
    benchmark:
        "results/benchmarks/animation/{figure}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=lambda w: code("figures", "figures.animation", f"figures.{study.figure(w.figure).module}"),
        module=lambda w: study.figure(w.figure).module,
        settings=lambda w: study.figure_settings(w.figure),
        inputs=lambda w: named_inputs(study.figure_inputs(w.figure)),
    message:
        "Animating {wildcards.figure}"
    shell:
        "exec python -m rnnpipe figures --figure {params.module} --settings {params.settings:q}"
        " {params.inputs} --animation {output.gif} > {log} 2>&1"


rule all_figures:
    input:
        collect("results/figures/{figure}.pdf", figure=list(study.figures)),
        collect("results/figures/{figure}.gif", figure=study.animated),
