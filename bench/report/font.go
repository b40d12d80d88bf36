package report

import "strings"

// advances are the widths of the letters from ' ' to '~' in thousandths of their size, in the
// sans-serif fonts that browsers show (those of Helvetica, which Arial and Liberation Sans share).
var advances = [...]float64{
	278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556,
	556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
	667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556,
	556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
}

const (
	guessed = 650 // for letters that the table doesn't have
	// boldness is how much wider bold letters are, about.
	boldness = 1.07
	// safety is how much wider the reader's font may be: DejaVu Sans, the only one on many a Linux,
	// is wider by a seventh.
	safety = 1.15
)

// textWidth is the width of a text in pixels, about.
func textWidth(s string, size float64, bold bool) float64 {
	sum := 0.0
	for _, r := range s {
		if i := r - ' '; i >= 0 && int(i) < len(advances) {
			sum += advances[i]
		} else {
			sum += guessed
		}
	}
	if bold {
		sum *= boldness
	}
	return sum / 1000 * size * safety
}

// wrapped breaks a text at spaces, though not at those that bind, into lines of at most a width in
// pixels. A word that is longer has a line of its own.
func wrapped(text string, width, size float64, bold bool) []string {
	var lines []string
	line := ""
	for word := range strings.SplitSeq(text, " ") {
		switch {
		case word == "":
		case line == "":
			line = word
		case textWidth(line+" "+word, size, bold) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
