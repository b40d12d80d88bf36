package report

import (
	"math"
)

type point struct{ x, y float64 }

// drawing is a picture as a list of shapes, in the order in which they are painted. A unit is a CSS
// pixel; y grows downwards.
type drawing struct {
	width, height float64
	shapes        []shape
}

// shape is a line, an area, or a text.
type shape struct {
	// points of a line or an area; empty for a text.
	points []point
	closed bool
	fill   paint
	stroke paint
	// strokeWidth is in pixels, dash lengths of line and gap in turns; nil is solid.
	strokeWidth float64
	dash        []float64
	// opacity of the fill, 0 to 1; 0 is 1.
	opacity float64

	// text at points[0], its baseline there; anchor says which of its ends is.
	text   string
	size   float64
	bold   bool
	anchor anchor

	// tip is shown while a pointer rests on the shape.
	tip string
}

type anchor int

const (
	start anchor = iota
	middle
	end
)

// Sizes of letters in pixels: none is smaller.
const (
	sizeSmall = 12.0
	sizeText  = 13.0
	sizeTitle = 17.0
	// textHeight is the height of a line in its size.
	textHeight = 1.35
)

func (d *drawing) add(s shape) { d.shapes = append(d.shapes, s) }

func (d *drawing) line(p paint, width float64, points ...point) {
	d.add(shape{points: points, stroke: p, strokeWidth: width})
}

func (d *drawing) rect(x, y, w, h float64, fill paint, tip string) {
	d.add(shape{points: corners(x, y, w, h), closed: true, fill: fill, tip: tip})
}

func corners(x, y, w, h float64) []point {
	return []point{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}
}

func (d *drawing) text(x, y float64, s string, p paint, a anchor) {
	d.add(shape{points: []point{{x, y}}, text: s, fill: p, size: sizeText, anchor: a})
}

func (d *drawing) small(x, y float64, s string, p paint, a anchor) {
	d.add(shape{points: []point{{x, y}}, text: s, fill: p, size: sizeSmall, anchor: a})
}

func (d *drawing) bold(x, y float64, s string, p paint, a anchor) {
	d.add(shape{points: []point{{x, y}}, text: s, fill: p, size: sizeText, bold: true, anchor: a})
}

// hatch is how an area is filled beside its colour.
type hatch int

const (
	hatchNone hatch = iota
	hatchRising
	hatchFalling
	hatchCrossed
	hatchUpright
	hatchCount
)

const hatchStep = 7.0

// hatched is a rectangle with lines in the colour of the surface across it.
func (d *drawing) hatched(x, y, w, h float64, fill paint, kind hatch, tip string) {
	d.rect(x, y, w, h, fill, tip)
	across := func(a, b point) { d.add(shape{points: []point{a, b}, stroke: surface, strokeWidth: 1.4, tip: tip}) }
	mirrored := func(p point) point { return point{p.x, 2*y + h - p.y} }
	for s := hatchStep; s < w+h; s += hatchStep {
		// From the left or lower edge to the upper or right one.
		a, b := point{x, y + s}, point{x + s, y}
		if s > h {
			a = point{x + s - h, y + h}
		}
		if s > w {
			b = point{x + w, y + s - w}
		}
		if kind == hatchRising || kind == hatchCrossed {
			across(a, b)
		}
		if kind == hatchFalling || kind == hatchCrossed {
			across(mirrored(a), mirrored(b))
		}
	}
	if kind == hatchUpright {
		for s := hatchStep; s < w; s += hatchStep {
			across(point{x + s, y}, point{x + s, y + h})
		}
	}
}

// marker is the shape of a point of a line.
type marker int

const (
	circle marker = iota
	square
	triangle
	diamond
	cross
	plus
)

const markerSize = 4.5

func (d *drawing) mark(at point, m marker, p paint, tip string) {
	const r = markerSize
	s := shape{closed: true, fill: p, stroke: surface, strokeWidth: 1, tip: tip}
	add := func(x, y float64) { s.points = append(s.points, point{at.x + x, at.y + y}) }
	switch m {
	case circle:
		for i := range 20 {
			a := 2 * math.Pi * float64(i) / 20
			add(r*math.Cos(a), r*math.Sin(a))
		}
	case square:
		s.points = corners(at.x-r*0.9, at.y-r*0.9, r*1.8, r*1.8)
	case triangle:
		add(0, -r*1.2)
		add(r*1.15, r*0.9)
		add(-r*1.15, r*0.9)
	case diamond:
		add(0, -r*1.3)
		add(r*1.3, 0)
		add(0, r*1.3)
		add(-r*1.3, 0)
	case cross, plus:
		// A plus of twelve corners, turned by an eighth for a cross.
		arm, half := r*1.3, r*0.45
		turn := 0.0
		if m == cross {
			turn = math.Pi / 4
		}
		for _, c := range [][2]float64{{-half, -arm}, {half, -arm}, {half, -half}, {arm, -half}, {arm, half}, {half, half}, {half, arm}, {-half, arm}, {-half, half}, {-arm, half}, {-arm, -half}, {-half, -half}} {
			add(c[0]*math.Cos(turn)-c[1]*math.Sin(turn), c[0]*math.Sin(turn)+c[1]*math.Cos(turn))
		}
	}
	d.add(s)
}

// moved adds the shapes of another drawing at a place.
func (d *drawing) moved(o *drawing, dx, dy float64) {
	for _, s := range o.shapes {
		points := make([]point, len(s.points))
		for i, p := range s.points {
			points[i] = point{p.x + dx, p.y + dy}
		}
		s.points = points
		d.add(s)
	}
}

// framed returns the drawing with its title above and its caption below, for use outside of the
// page.
func (d *drawing) framed(title, caption string) *drawing {
	const pad = 14.0
	out := &drawing{width: d.width + 2*pad}
	out.rect(0, 0, 0, 0, surface, "") // sized below
	y := pad
	for _, l := range wrapped(unbroken(title), d.width, sizeTitle, true) {
		y += sizeTitle * textHeight
		out.add(shape{points: []point{{pad, y - 4}}, text: l, fill: ink, size: sizeTitle, bold: true})
	}
	y += 6
	out.moved(d, pad, y)
	y += d.height + 4
	for _, l := range wrapped(unbroken(caption), d.width, sizeText, false) {
		y += sizeText * textHeight
		out.text(pad, y-3, l, muted, start)
	}
	out.height = math.Ceil(y + pad)
	out.shapes[0].points = corners(0, 0, out.width, out.height)
	return out
}
