/// How the page looks: one column on a phone, two charts abreast on a desk; light, dark and on paper.
enum PageStyle {
    // No less-than sign and no ampersand, so that the page is well-formed XML too.
    static let css = """
        :root{color-scheme:light dark;--paper:#f6f4ef;--card:#ffffff;--ink:#1d1c1a;--muted:#5c5952;--line:#dcd7cd;--accent:#00609a;--good:#00684d;--bad:#a33b00;--mark:#eaf3f9}
        @media screen and (prefers-color-scheme:dark){:root{--paper:#141619;--card:#1d2024;--ink:#e9e7e2;--muted:#a8a49b;--line:#363a41;--accent:#6cbcf0;--good:#45d3a5;--bad:#ff9a66;--mark:#1b2c38}}
        *{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-behavior:smooth}
        @media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
        body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;overflow-wrap:break-word}
        .skip{position:absolute;left:-99em}.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.4rem .8rem;z-index:9}
        header,main,footer{max-width:1180px;margin:0 auto;padding:0 clamp(14px,3vw,32px)}
        header{padding-top:clamp(24px,5vw,56px)}
        .eyebrow{margin:0;color:var(--muted);font-size:.875rem}
        h1{font-size:clamp(1.4rem,1.1rem + 1.4vw,2.05rem);line-height:1.22;letter-spacing:-.015em;margin:.35em 0 .5em;max-width:38em;text-wrap:balance;font-weight:680}
        .more{margin:.2em 0;color:var(--muted);max-width:62em}
        h2{font-size:1.3rem;line-height:1.3;letter-spacing:-.01em;margin:0 0 .3em}
        h3{font-size:1rem;margin:0 0 .3em;overflow-wrap:anywhere}
        section{margin:clamp(32px,4.5vw,52px) 0;scroll-margin-top:1rem}
        .lead{color:var(--muted);margin:0 0 1rem;max-width:62em}
        dl.facts{display:flex;flex-wrap:wrap;gap:.4rem 2rem;margin:1.2rem 0 0;padding:.9rem 0;border-block:1px solid var(--line)}
        dl.facts div{min-width:0}dl.facts dt{color:var(--muted);font-size:.8rem}dl.facts dd{margin:0;font-size:.95rem;overflow-wrap:anywhere}
        nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;margin:.8rem 0 0;padding:0;font-size:.92rem}
        nav a{display:inline-block;padding:.25rem 0}
        a{color:var(--accent);text-underline-offset:.2em}
        :focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}
        .card{background:var(--card);border:1px solid var(--line);border-radius:10px}
        .scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
        @media (max-width:900px){.scroll caption span::after{content:" It scrolls sideways."}}
        table{border-collapse:collapse;width:100%;font-size:.83rem;font-variant-numeric:tabular-nums}
        caption{text-align:left;color:var(--muted);padding:.7rem .9rem .3rem;font-size:.875rem}
        caption span{position:sticky;left:.9rem;display:inline-block;max-width:min(100%,calc(100vw - 64px))}
        th,td{padding:.5rem .43rem;text-align:right;border-top:1px solid var(--line);white-space:nowrap;vertical-align:baseline}
        thead th{border-top:0;color:var(--muted);font-weight:500;vertical-align:bottom;white-space:normal;line-height:1.25}
        th:first-child,td:first-child{padding-left:.9rem;text-align:left;position:sticky;left:0;background:var(--card);z-index:1}
        tbody th{font-weight:600;max-width:15rem;white-space:normal;overflow-wrap:anywhere;min-width:7.6rem}
        tr.best th,tr.best td,tr.best th:first-child{background:var(--mark)}
        .badge{display:block;width:max-content;font-size:.72rem;font-weight:650;color:var(--accent);border:1px solid currentColor;border-radius:99px;padding:0 .5em;margin-top:.15em;white-space:nowrap}
        .sub{display:block;color:var(--muted);font-weight:400;font-size:.78rem}
        th:last-child,td:last-child{padding-right:.9rem}
        .better{color:var(--good);font-weight:600}.worse{color:var(--bad);font-weight:600}
        td.settings,.settings td{text-align:left}td.other{font-weight:650;background:var(--mark)}
        .settings td{white-space:normal;min-width:6rem;max-width:20rem;overflow-wrap:anywhere;font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.82rem}
        .settings thead th{text-align:left}.settings tbody th{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.82rem;font-weight:500}
        form.choice{display:flex;flex-wrap:wrap;gap:.6rem 1.4rem;margin:0 0 1rem}
        fieldset{border:0;margin:0;padding:0;min-width:0;display:flex;flex-wrap:wrap;align-items:center;gap:.35rem}
        legend{float:left;color:var(--muted);font-size:.9rem;margin-right:.35rem;padding:0}
        .option{position:relative;display:inline-block}
        .option input{position:absolute;inset:0;width:100%;height:100%;margin:0;opacity:0;cursor:pointer}
        .option span{display:block;padding:.36rem .8rem;border:1px solid var(--line);border-radius:99px;background:var(--card);font-size:.9rem}
        .option input:checked + span{background:var(--ink);color:var(--paper);border-color:var(--ink)}
        .option input:focus-visible + span{outline:3px solid var(--accent);outline-offset:2px}
        .option input:hover + span{border-color:var(--muted)}
        .charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));gap:18px;align-items:start}
        figure{margin:0;padding:14px 14px 10px;min-width:0}
        .readout{margin:.2rem 4px 0;min-height:3em;font-size:.82rem;color:var(--muted);font-variant-numeric:tabular-nums}
        svg.chart[tabindex]{cursor:crosshair;touch-action:pan-y}
        figure[hidden]{display:none}
        @media (max-width:560px){figure{padding:12px 7px 10px}figure h3,figcaption{padding:0 6px}}
        figcaption{font-size:.875rem;color:var(--muted);margin:.3rem 0 0}
        svg.chart{display:block;width:100%;height:auto;max-width:560px;margin:0 auto}
        .samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:18px;align-items:start}
        details{margin:18px 0 0}summary{cursor:pointer;margin:0 0 10px}
        .sample{padding:14px 16px;min-width:0}
        .sample pre{white-space:pre-wrap;overflow-wrap:anywhere;font:.85rem/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;margin:.6rem 0 0;max-height:22rem;overflow-y:auto}
        .sample p{margin:0;color:var(--muted);font-size:.82rem}
        .said{margin:0;padding:.9rem 1.1rem .9rem 2.1rem}.said li{margin:.25rem 0;overflow-wrap:anywhere}
        .said .kind{font-weight:650}
        dl.method dt{font-weight:650;margin-top:.9rem}dl.method dd{margin:.15rem 0 0;max-width:68em;color:var(--muted)}
        .notes{color:var(--muted);font-size:.875rem;margin:.8rem 0 0;padding-left:1.2rem;max-width:74em}
        footer{color:var(--muted);font-size:.85rem;padding-bottom:3rem}
        code{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.9em;overflow-wrap:anywhere}
        @media print{
        @page{margin:14mm}
        :root{--paper:#ffffff}
        body{font-size:10pt}
        nav,.skip,form.choice,.readout{display:none}
        html{font-size:12px}
        .sub{font-size:6pt}td .sub{white-space:nowrap}
        header,main,footer{max-width:none;padding:0}
        header{padding-top:0}
        section{margin:7mm 0}
        h2,h3,.lead,dt{break-after:avoid}
        figure,.sample,.lead,tr,dl.method div{break-inside:avoid}
        .charts{grid-template-columns:1fr 1fr;gap:4mm}
        .samples{grid-template-columns:1fr 1fr;gap:4mm}
        .sample pre{max-height:none;font-size:8pt}
        .scroll{overflow:visible}
        table{font-size:7pt}th,td{padding:.25rem .28rem;white-space:normal}
        th:first-child,td:first-child{position:static}
        tbody th,.settings td{min-width:0}
        .settings td,.settings tbody th{font-size:7pt}
        a{color:inherit;text-decoration:none}
        *{-webkit-print-color-adjust:exact;print-color-adjust:exact}
        }
        """
}
