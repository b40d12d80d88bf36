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

// measure knows how wide letters are at a size of 1 pixel. Pairs that stand closer don't count.
type measure struct {
	mu       sync.Mutex
	face     font.Face
	advances map[rune]float64
}

const (
	measureSize = 100.0 // of the face, to be exact
	mostRunes   = 4096  // that are remembered
	guessed     = 0.65  // of the size, for what the font doesn't have
)

// safety is how much wider the font of a browser may be: DejaVu Sans, the only one on many a Linux, is
// wider by a tenth, most others are narrower.
const safety = 1.12

func newMeasure(bold bool) *measure {
	m := &measure{advances: make(map[rune]float64)}
	if face, err := newFace(measureSize, bold); err == nil {
		m.face = face
	}
	return m
}

func (m *measure) advance(r rune) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.advances[r]; ok {
		return v
	}
	v := guessed
	if m.face != nil {
		if a, ok := m.face.GlyphAdvance(r); ok {
			v = float64(a) / 64 / measureSize
		}
	}
	if len(m.advances) < mostRunes {
		m.advances[r] = v
	}
	return v
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
	sum := 0.0
	for _, r := range s {
		sum += m.advance(r)
	}
	return sum * size * safety
}
