package report

// part is a piece of a bar.
type part struct {
	value float64
	paint paint
	hatch hatch
	// label is written into the piece if there is room.
	label string
	tip   string
}

// bar is one row of horizontal bars.
type bar struct {
	name string
	bold bool
	// parts follow each other.
	parts []part
	// low and high are the ends of a whisker below the bar's end; none if both are 0.
	low, high float64
	// note is written behind the bar.
	note string
}

func (b *bar) total() float64 {
	sum := 0.0
	for _, p := range b.parts {
		sum += p.value
	}
	return sum
}

// key says what a paint and a hatch stand for.
type key struct {
	name  string
	paint paint
	hatch hatch
}

// bars draws rows of bars from a common 0, below what the drawing holds.
func (d *drawing) bars(rows []bar, keys []key, label string, format func(float64) string) {
	if len(keys) > 0 {
		items := make([]legendItem, len(keys))
		for i, k := range keys {
			items[i] = legendItem{name: k.name, draw: func(d *drawing, x, y float64) { d.hatched(x, y-6, 24, 12, k.paint, k.hatch, "") }}
		}
		d.legend(items)
	}
	highest := 0.0
	for i := range rows {
		highest = max(highest, rows[i].total(), rows[i].high)
	}
	roomy := d.width >= wide
	left, right, barHeight, gap := 0.0, 14.0, 18.0, 14.0
	n := 4
	if roomy {
		barHeight, n = 22, 6
		for _, r := range rows {
			left = max(left, textWidth(r.name, sizeText, r.bold)+12)
		}
	}
	s, values := linear(highest, n)
	s.a, s.b = left, d.width-right
	if roomy {
		// As long as leaves room for each bar's note behind it.
		for _, r := range rows {
			if v := max(r.total(), r.high); v > 0 && r.note != "" {
				room := d.width - left - textWidth(r.note, sizeText, r.bold) - 10
				s.b = min(s.b, left+room*s.hi/v)
			}
		}
		s.b = max(s.b, left+100)
	}
	top := d.height + 6
	y := top
	type line struct{ from, to float64 }
	var grid []line
	at := make([]float64, len(rows))
	for i, r := range rows {
		if !roomy {
			y += sizeText * textHeight
			if r.note != "" && textWidth(r.name, sizeText, r.bold)+textWidth(r.note, sizeText, r.bold)+16 > d.width {
				y += sizeText * textHeight
			}
			y += 2
		}
		at[i] = y
		grid = append(grid, line{y, y + barHeight})
		y += barHeight + gap
	}
	bottom := y - gap + 8
	for _, v := range values {
		px := s.at(v)
		if roomy {
			d.line(rule, 1, point{px, top - 4}, point{px, bottom})
			continue
		}
		for _, g := range grid { // not through the words above each bar
			d.line(rule, 1, point{px, g.from - 1}, point{px, g.to + 3})
		}
	}
	for i, r := range rows {
		d.bar(r, s, at[i], barHeight, roomy)
	}
	d.line(muted, 1, point{s.a, bottom}, point{s.b, bottom})
	for i, v := range values {
		px := s.at(v)
		d.line(muted, 1, point{px, bottom}, point{px, bottom + 5})
		a := middle
		if i == 0 && !roomy {
			a = start
		} else if px+textWidth(format(v), sizeSmall, false)/2 > d.width {
			a, px = end, d.width
		}
		d.small(px, bottom+19, format(v), muted, a)
	}
	d.small((s.a+s.b)/2, bottom+38, label, muted, middle)
	d.height = bottom + 44
}

func (d *drawing) bar(r bar, s scale, y, h float64, roomy bool) {
	base := y + h/2 + 4.5
	sum := 0.0
	for _, p := range r.parts {
		x := s.at(sum)
		sum += p.value
		w := s.at(sum) - x
		if w < 0.5 {
			continue
		}
		// A line of surface between the pieces.
		d.hatched(x, y, max(w-1, 0.5), h, p.paint, p.hatch, p.tip)
		tw := textWidth(p.label, sizeSmall, true)
		if p.label == "" || tw+10 > w {
			continue
		}
		if p.hatch != hatchNone {
			d.rect(x+w/2-tw/2-4, y+2, tw+8, h-4, p.paint, p.tip)
		}
		d.add(shape{points: []point{{x + w/2, base}}, text: p.label, fill: surface, size: sizeSmall, bold: true, anchor: middle, tip: p.tip})
	}
	tip := s.at(sum)
	if r.high > 0 {
		lo, hi := s.at(r.low), s.at(r.high)
		// Below the bar, where it goes through no label.
		mid := y + h + 4
		d.line(ink, 1.6, point{lo, mid}, point{hi, mid})
		for _, x := range []float64{lo, hi} {
			d.line(ink, 1.6, point{x, mid - 3}, point{x, mid + 3})
		}
		tip = max(tip, hi)
	}
	name := shape{text: r.name, fill: ink, size: sizeText, bold: r.bold}
	note := shape{text: r.note, fill: ink, size: sizeText, bold: r.bold}
	if roomy {
		name.points, name.anchor = []point{{s.a - 12, base}}, end
		note.points = []point{{tip + 8, base}}
	} else {
		name.points = []point{{0, y - 6}}
		note.points, note.anchor = []point{{d.width, y - 6}}, end
		if r.note != "" && textWidth(r.name, sizeText, r.bold)+textWidth(r.note, sizeText, r.bold)+16 > d.width {
			name.points[0].y -= sizeText * textHeight
			note.points, note.anchor = []point{{0, y - 6}}, start
		}
	}
	d.add(name)
	if r.note != "" {
		d.add(note)
	}
}
