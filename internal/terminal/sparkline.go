package terminal

import (
	"math"
	"slices"
	"strings"
)

// Nothing stands where nothing was measured.
const Nothing = "–"

var blocks = []rune("▁▂▃▄▅▆▇█")

// Sparkline draws values as blocks that rise from 0 to the highest of them, in at most width
// characters: where there are more values, each block is the highest of its neighbours. What isn't
// a number was not measured.
func Sparkline(values []float64, width int) string {
	values, width = slices.Clone(values), max(1, width)
	each := max(1, (len(values)+width-1)/width)
	var heights []float64
	top := 0.0
	for some := range slices.Chunk(values, each) {
		some = slices.DeleteFunc(some, math.IsNaN)
		if len(some) == 0 {
			heights = append(heights, math.NaN())
			continue
		}
		heights = append(heights, slices.Max(some))
		top = max(top, slices.Max(some))
	}
	var b strings.Builder
	for _, v := range heights {
		switch {
		case math.IsNaN(v):
			b.WriteString(Nothing)
		case top <= 0:
			b.WriteRune(blocks[0])
		default:
			b.WriteRune(blocks[min(max(0, int(v/top*float64(len(blocks)))), len(blocks)-1)])
		}
	}
	return b.String()
}
