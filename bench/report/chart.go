package report

import (
	"cmp"
	"math"
	"slices"
)

// tick is a labelled place of an axis.
type tick struct {
	v     float64
	label string
}

// axis is one side of a chart.
type axis struct {
	scale scale
	ticks []tick
	// label says what is counted, with its unit.
	label string
	// above is room in pixels between the label of an upright axis and its top.
	above float64
}

// withLabels makes ticks of values.
func withLabels(values []float64, format func(float64) string) []tick {
	ticks := make([]tick, len(values))
	for i, v := range values {
		ticks[i] = tick{v, format(v)}
	}
	return ticks
}

// chart is an area with two axes, in which lines are drawn.
type chart struct {
	*drawing
	x, y                     scale
	left, right, top, bottom float64
}

// wide is from where on a drawing has room beside its lines and bars for their names.
const wide = 600.0

// newChart draws the axes of a chart below what the drawing holds already, with room at its right
// side, and makes the drawing as high as it then is.
func newChart(d *drawing, x, y axis, height, room float64) *chart {
	c := &chart{drawing: d}
	for _, t := range y.ticks {
		c.left = max(c.left, textWidth(t.label, sizeSmall, false))
	}
	c.left += 10
	c.top = d.height + sizeText*textHeight + 10 + y.above
	c.bottom = c.top + height
	c.right = d.width - max(room, 14)
	c.y, c.x = y.scale, x.scale
	c.y.a, c.y.b = c.bottom, c.top
	c.x.a, c.x.b = c.left, c.right

	d.small(0, d.height+sizeSmall, y.label, muted, start)
	for _, t := range y.ticks {
		py := c.y.at(t.v)
		d.line(rule, 1, point{c.left, py}, point{c.right, py})
		d.small(c.left-8, py+4, t.label, muted, end)
	}
	d.line(muted, 1, point{c.left, c.bottom}, point{c.right, c.bottom})
	before := math.Inf(-1)
	for _, t := range x.ticks {
		px := c.x.at(t.v)
		d.line(muted, 1, point{px, c.bottom}, point{px, c.bottom + 5})
		half := textWidth(t.label, sizeSmall, false) / 2
		if px-half < before {
			continue // no room for its label
		}
		at := min(px, d.width-half)
		d.small(at, c.bottom+19, t.label, muted, middle)
		before = at + half + 8
	}
	d.small((c.left+c.right)/2, c.bottom+38, x.label, muted, middle)
	d.height = c.bottom + 44
	return c
}

// curve is one line of a chart.
type curve struct {
	name   string
	points []point // values, not places
	tips   []string
	style  style
	width  float64
	bold   bool
	// plain curves have no markers.
	plain bool
	// markAt are the points that have markers, if not all have.
	markAt []point
}

// curves draws lines into the chart, those that come first on top, each with its name at its end if
// names is true.
func (c *chart) curves(all []curve, names bool) {
	for _, l := range slices.Backward(all) {
		places := make([]point, len(l.points))
		for i, p := range l.points {
			places[i] = point{c.x.at(p.x), c.y.at(p.y)}
		}
		c.add(shape{points: places, stroke: l.style.paint, strokeWidth: l.width, dash: l.style.dash})
		for i, p := range places {
			marked := !l.plain && (l.markAt == nil || slices.Contains(l.markAt, l.points[i]))
			if marked || len(places) == 1 {
				c.mark(p, l.style.marker, l.style.paint, l.tips[i])
			} else if l.tips != nil {
				// An area that can't be seen, for the pointer to rest on.
				c.add(shape{points: corners(p.x-4, p.y-8, 8, 16), closed: true, fill: l.style.paint, opacity: 0.001, tip: l.tips[i]})
			}
		}
	}
	if names {
		c.endNames(all)
	}
}

// endNames writes the name of each line where it ends, apart from each other.
func (c *chart) endNames(all []curve) {
	type label struct {
		line curve
		x, y float64
	}
	var labels []label
	for _, l := range all {
		if len(l.points) == 0 {
			continue
		}
		last := l.points[len(l.points)-1]
		labels = append(labels, label{l, c.x.at(last.x), c.y.at(last.y)})
	}
	slices.SortStableFunc(labels, func(a, b label) int { return cmp.Compare(a.y, b.y) })
	const apart = sizeText*textHeight + 1
	for i := 1; i < len(labels); i++ {
		labels[i].y = max(labels[i].y, labels[i-1].y+apart)
	}
	// Not below the axis: push those up that were pushed down too far.
	low := c.bottom - 2
	for i := len(labels) - 1; i >= 0; i-- {
		labels[i].y = min(labels[i].y, low)
		low = labels[i].y - apart
	}
	for _, l := range labels {
		place := point{c.x.at(l.line.points[len(l.line.points)-1].x), c.y.at(l.line.points[len(l.line.points)-1].y)}
		at := c.right + 16
		if place.x < c.right-2 || math.Abs(place.y-l.y) > 3 {
			c.line(rule, 1, point{place.x + 6, place.y}, point{at - 6, l.y})
		}
		if l.line.plain {
			c.add(shape{points: []point{{at - 5, l.y}, {at + 10, l.y}}, stroke: l.line.style.paint, strokeWidth: l.line.width, dash: l.line.style.dash})
		} else {
			c.mark(point{at + 4, l.y}, l.line.style.marker, l.line.style.paint, "")
		}
		c.add(shape{points: []point{{at + 14, l.y + 4.5}}, text: l.line.name, fill: ink, size: sizeText, bold: l.line.bold})
	}
}

// room is what endNames needs at the right side.
func room(all []curve) float64 {
	widest := 0.0
	for _, l := range all {
		widest = max(widest, textWidth(l.name, sizeText, l.bold))
	}
	return widest + 32
}

// names has the names of lines where a drawing has room for them: at the right side of its chart,
// which then needs a gutter, or else in a legend above it.
func (d *drawing) names(all []curve) (gutter float64, beside bool) {
	if d.width >= wide {
		return room(all), true
	}
	d.lineLegend(all)
	return 0, false
}

// legendItem is a name with what it looks like.
type legendItem struct {
	name string
	draw func(d *drawing, x, y float64) // 26 by 12 pixels, y in the middle
}

// legend writes names in lines at the end of the drawing.
func (d *drawing) legend(items []legendItem) {
	const swatch = 32.0
	x, y := 0.0, d.height+12
	for _, it := range items {
		w := swatch + textWidth(it.name, sizeText, false) + 18
		if x > 0 && x+w-18 > d.width {
			x, y = 0, y+sizeText*textHeight+5
		}
		it.draw(d, x, y)
		d.text(x+swatch, y+4.5, it.name, ink, start)
		x += w
	}
	d.height = y + 16
}

// lineLegend is the legend of lines.
func (d *drawing) lineLegend(all []curve) {
	items := make([]legendItem, len(all))
	for i, l := range all {
		items[i] = legendItem{name: l.name, draw: func(d *drawing, x, y float64) {
			d.add(shape{points: []point{{x, y}, {x + 26, y}}, stroke: l.style.paint, strokeWidth: l.width, dash: l.style.dash})
			if !l.plain {
				d.mark(point{x + 13, y}, l.style.marker, l.style.paint, "")
			}
		}}
	}
	d.legend(items)
}
