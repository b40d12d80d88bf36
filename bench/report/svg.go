package report

import (
	"fmt"
	"html"
	"io"
	"strconv"
	"strings"
)

// fontFamily is what letters of plots are shown in, as in page.css: whatever the reader's system
// has.
const fontFamily = `-apple-system,BlinkMacSystemFont,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Liberation Sans",sans-serif`

// writeSVG writes a drawing as an SVG element. id tells the elements of one page apart; class may
// be empty.
func (d *drawing) writeSVG(w io.Writer, id, class, title, desc, css string) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img" aria-labelledby="%s-t %s-d" class="%s" font-family="%s">`,
		num(d.width), num(d.height), num(d.width), num(d.height), id, id, class, html.EscapeString(fontFamily))
	fmt.Fprintf(&b, "\n<title id=\"%s-t\">%s</title><desc id=\"%s-d\">%s</desc>\n", id, html.EscapeString(title), id, html.EscapeString(desc))
	if css != "" {
		fmt.Fprintf(&b, "<style>\n%s</style>\n", css)
	}
	for i := range d.shapes {
		d.shapes[i].writeSVG(&b)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *shape) writeSVG(b *strings.Builder) {
	var class []string
	if s.fill != "" {
		class = append(class, "f-"+string(s.fill))
	}
	if s.stroke != "" {
		class = append(class, "k-"+string(s.stroke))
	}
	tip := ""
	if s.tip != "" {
		tip = "<title>" + html.EscapeString(s.tip) + "</title>"
	}
	if s.text != "" {
		fmt.Fprintf(b, `<text x="%s" y="%s" font-size="%s"`, num(s.points[0].x), num(s.points[0].y), num(s.size))
		switch s.anchor {
		case middle:
			b.WriteString(` text-anchor="middle"`)
		case end:
			b.WriteString(` text-anchor="end"`)
		}
		if s.bold {
			b.WriteString(` font-weight="600"`)
		}
		fmt.Fprintf(b, " class=\"%s\">%s%s</text>\n", strings.Join(class, " "), html.EscapeString(s.text), tip)
		return
	}
	b.WriteString(`<path d="`)
	for i, p := range s.points {
		if i == 0 {
			b.WriteByte('M')
		} else {
			b.WriteByte('L')
		}
		b.WriteString(num(p.x))
		b.WriteByte(' ')
		b.WriteString(num(p.y))
	}
	if s.closed {
		b.WriteByte('Z')
	}
	b.WriteByte('"')
	if s.fill == "" {
		b.WriteString(` fill="none"`)
	}
	if s.opacity > 0 {
		fmt.Fprintf(b, ` fill-opacity="%s"`, num(s.opacity))
	}
	if s.stroke != "" {
		fmt.Fprintf(b, ` stroke-width="%s" stroke-linejoin="round"`, num(s.strokeWidth))
		if len(s.dash) > 0 {
			lengths := make([]string, len(s.dash))
			for i, l := range s.dash {
				lengths[i] = num(l)
			}
			fmt.Fprintf(b, ` stroke-dasharray="%s"`, strings.Join(lengths, " "))
		}
	}
	fmt.Fprintf(b, " class=\"%s\"", strings.Join(class, " "))
	if tip == "" {
		b.WriteString("/>\n")
		return
	}
	fmt.Fprintf(b, ">%s</path>\n", tip)
}

// num writes a length with a tenth of a pixel.
func num(v float64) string {
	s := strconv.FormatFloat(v, 'f', 1, 64)
	s = strings.TrimSuffix(s, ".0")
	if s == "-0" {
		return "0"
	}
	return s
}
