package report

import (
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
)

// The Go fonts measure all text and paint that of pictures.
var (
	regular = sync.OnceValue(func() *opentype.Font { return parsed(goregular.TTF) })
	strong  = sync.OnceValue(func() *opentype.Font { return parsed(gobold.TTF) })
)

// parsed returns nil for what is no font; those above are, as tests see.
func parsed(ttf []byte) *opentype.Font {
	f, err := opentype.Parse(ttf)
	if err != nil {
		return nil
	}
	return f
}

// newFace returns a face of a size in pixels. A face must not be used by two at once.
func newFace(size float64, bold bool) (font.Face, error) {
	f := regular()
	if bold {
		f = strong()
	}
	return opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
}

// measure is how wide letters are at a size of 100 pixels.
type measure struct {
	mu   sync.Mutex
	face font.Face
}

const measureSize = 100.0

// safety is how much wider the font of a browser may be: DejaVu Sans, the only one on many a Linux, is
// wider by a tenth, most others are narrower.
const safety = 1.12

func newMeasure(bold bool) *measure {
	face, err := newFace(measureSize, bold)
	if err != nil {
		return &measure{} // widths are guessed
	}
	return &measure{face: face}
}

var (
	measureRegular = sync.OnceValue(func() *measure { return newMeasure(false) })
	measureBold    = sync.OnceValue(func() *measure { return newMeasure(true) })
)

// textWidth is the width of a text in pixels.
func textWidth(s string, size float64, bold bool) float64 {
	m := measureRegular()
	if bold {
		m = measureBold()
	}
	if m.face == nil {
		return float64(letters(s)) * size * 0.65
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return float64(font.MeasureString(m.face, s)) / 64 * size / measureSize * safety
}
