package report

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// rasterScale is how many dots of a picture make a pixel of a drawing: two, for screens that have as many.
const rasterScale = 2.0

// writePNG paints a drawing, on a light surface.
func (d *drawing) writePNG(w io.Writer) error {
	p := &painter{
		img:   image.NewRGBA(image.Rect(0, 0, int(math.Ceil(d.width*rasterScale)), int(math.Ceil(d.height*rasterScale)))),
		faces: make(map[faceKey]font.Face),
	}
	draw.Draw(p.img, p.img.Bounds(), image.NewUniform(lightColours[surface]), image.Point{}, draw.Src)
	for i := range d.shapes {
		if err := p.shape(&d.shapes[i]); err != nil {
			return err
		}
	}
	return png.Encode(w, p.img)
}

type faceKey struct {
	size float64
	bold bool
}

// painter paints shapes into a picture.
type painter struct {
	img   *image.RGBA
	faces map[faceKey]font.Face
}

func (p *painter) shape(s *shape) error {
	if s.text != "" {
		return p.text(s)
	}
	if s.fill != "" && s.closed {
		c := lightColours[s.fill]
		if s.opacity > 0 {
			c.A = uint8(math.Round(255 * min(s.opacity, 1)))
		}
		p.areas([][]point{s.points}, c)
	}
	if s.stroke != "" {
		points := s.points
		if s.closed && len(points) > 0 {
			points = append(points[:len(points):len(points)], points[0])
		}
		p.areas(outline(points, s.strokeWidth, s.dash), lightColours[s.stroke])
	}
	return nil
}

// areas fills polygons that wind the same way as one.
func (p *painter) areas(polygons [][]point, c color.NRGBA) {
	if len(polygons) == 0 {
		return
	}
	// Rasterize only what is touched: a picture has thousands of small shapes.
	box := bounds(polygons)
	r := image.Rect(int(math.Floor(box[0].x*rasterScale))-1, int(math.Floor(box[0].y*rasterScale))-1,
		int(math.Ceil(box[1].x*rasterScale))+1, int(math.Ceil(box[1].y*rasterScale))+1).Intersect(p.img.Bounds())
	if r.Empty() {
		return
	}
	z := vector.NewRasterizer(r.Dx(), r.Dy())
	for _, poly := range polygons {
		for i, pt := range poly {
			x, y := float32(pt.x*rasterScale)-float32(r.Min.X), float32(pt.y*rasterScale)-float32(r.Min.Y)
			if i == 0 {
				z.MoveTo(x, y)
			} else {
				z.LineTo(x, y)
			}
		}
		z.ClosePath()
	}
	z.Draw(p.img, r, image.NewUniform(c), image.Point{})
}

func bounds(polygons [][]point) [2]point {
	lo, hi := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, poly := range polygons {
		for _, p := range poly {
			lo = point{min(lo.x, p.x), min(lo.y, p.y)}
			hi = point{max(hi.x, p.x), max(hi.y, p.y)}
		}
	}
	return [2]point{lo, hi}
}

func (p *painter) text(s *shape) error {
	key := faceKey{s.size * rasterScale, s.bold}
	face := p.faces[key]
	if face == nil {
		var err error
		face, err = newFace(key.size, key.bold)
		if err != nil {
			return err
		}
		p.faces[key] = face
	}
	width := font.MeasureString(face, s.text)
	x := fixed.Int26_6(s.points[0].x * rasterScale * 64)
	switch s.anchor {
	case middle:
		x -= width / 2
	case end:
		x -= width
	}
	d := font.Drawer{Dst: p.img, Src: image.NewUniform(lightColours[s.fill]), Face: face, Dot: fixed.Point26_6{X: x, Y: fixed.Int26_6(s.points[0].y * rasterScale * 64)}}
	d.DrawString(s.text)
	return nil
}

// outline returns polygons that cover a line of a width, with round joins, all winding the same way.
func outline(points []point, width float64, dash []float64) [][]point {
	var out [][]point
	half := width / 2
	for _, part := range dashed(points, dash) {
		for i := 1; i < len(part); i++ {
			a, b := part[i-1], part[i]
			length := math.Hypot(b.x-a.x, b.y-a.y)
			if length == 0 {
				continue
			}
			nx, ny := -(b.y-a.y)/length*half, (b.x-a.x)/length*half
			out = append(out, []point{{a.x + nx, a.y + ny}, {a.x - nx, a.y - ny}, {b.x - nx, b.y - ny}, {b.x + nx, b.y + ny}})
			if i > 1 && width > 1.5 {
				out = append(out, disc(a, half))
			}
		}
	}
	return out
}

func disc(at point, r float64) []point {
	const corners = 12
	d := make([]point, corners)
	for i := range d {
		a := 2 * math.Pi * float64(i) / corners
		d[i] = point{at.x + r*math.Cos(a), at.y + r*math.Sin(a)}
	}
	return d
}

// dashed cuts a line into its dashes; the whole line for none.
func dashed(points []point, dash []float64) [][]point {
	total := 0.0
	for _, l := range dash {
		total += l
	}
	if total <= 0 || len(points) < 2 {
		return [][]point{points}
	}
	var parts [][]point
	part := []point{points[0]}
	turn, left := 0, dash[0]
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		length := math.Hypot(b.x-a.x, b.y-a.y)
		for at := 0.0; at < length; {
			step := min(left, length-at)
			at += step
			left -= step
			p := point{a.x + (b.x-a.x)*at/length, a.y + (b.y-a.y)*at/length}
			if turn%2 == 0 {
				part = append(part, p)
			}
			if left > 0 {
				continue
			}
			if turn%2 == 0 {
				parts = append(parts, part)
			}
			turn++
			left = dash[turn%len(dash)]
			part = []point{p}
		}
	}
	if turn%2 == 0 && len(part) > 1 {
		parts = append(parts, part)
	}
	return parts
}
