"""What a scan by axe leaves out: the drawings of the explainers, where it does not know what lies behind a text."""

FAINT = """root => {
    const parse = text => {
        const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
        return text.startsWith('color(srgb') ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
    };
    const over = (top, ground, alpha = 1) => ground.slice(0, 3).map((v, i) => v + (top[i] - v) * top[3] * alpha);
    const light = colour => {
        const [r, g, b] = colour.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = parse(getComputedStyle(root).backgroundColor);
    return [...root.querySelectorAll('svg text')].map(text => {
        const style = getComputedStyle(text);
        // A number lies on the first rectangle of its cell, anything else on the paper.
        const cell = text.parentElement.querySelector(':scope > rect');
        const fill = cell && getComputedStyle(cell);
        const ground = fill && fill.fill !== 'none' ? over(parse(fill.fill), paper, Number(fill.fillOpacity)) : paper;
        const ink = over(parse(style.fill), ground, Number(style.opacity));
        const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b);
        return [(high + 0.05) / (low + 0.05), text.textContent, text.parentElement.outerHTML.slice(0, 200)];
    }).filter(([ratio]) => !(ratio >= 4.5));
}"""
"""Texts in drawings whose contrast is less than the 4.5 to 1 of WCAG 2.1 AA."""

UNNAMED = """root => [...root.querySelectorAll('svg, canvas, [role=gridcell]')]
    .filter(node => !node.closest('[aria-hidden=true]') && !(node.getAttribute('aria-label')?.length > 4
        && ['img', 'grid', 'gridcell'].includes(node.getAttribute('role'))))
    .map(node => node.outerHTML.slice(0, 200))"""
"""Drawings and cells that a screen reader would find without a name or without a role."""
