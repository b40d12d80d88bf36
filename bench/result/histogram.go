package result

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histograms as this package makes them: a microsecond to a minute, to three digits.
const (
	HistogramMin    = 1          // µs
	HistogramMax    = 60_000_000 // µs
	HistogramDigits = 3
)

// What a histogram in a file may be at most: an hour, to four digits (some 3 MB).
const (
	fileMax     = 3_600_000_000
	fileDigits  = 4
	fileEncoded = 8 << 20 // bytes of base64
)

// ErrHistogram is wrapped by all errors about histograms in files.
var ErrHistogram = errors.New("result: bad histogram")

// Digest is a histogram in a few figures, in milliseconds. What isn't known is 0: some drivers tell
// no more than a mean, or nothing at all.
type Digest struct {
	Count uint64  `json:"count,omitempty"`
	Mean  float64 `json:"mean_ms,omitempty"`
	Min   float64 `json:"min_ms,omitempty"`
	P50   float64 `json:"p50_ms,omitempty"`
	P75   float64 `json:"p75_ms,omitempty"`
	P90   float64 `json:"p90_ms,omitempty"`
	P99   float64 `json:"p99_ms,omitempty"`
	P999  float64 `json:"p99.9_ms,omitempty"`
	P9999 float64 `json:"p99.99_ms,omitempty"`
	Max   float64 `json:"max_ms,omitempty"`
}

// Histogram is a distribution of latencies: in full, or, from drivers that don't tell more, a
// [Digest] only. The zero Histogram is empty. A copy shares the counts; don't record into it.
type Histogram struct {
	digest Digest
	// hdr is in microseconds; nil if only digest is known.
	hdr *hdrhistogram.Histogram
}

// FromHDR takes a histogram of microseconds over; nil or an empty one gives an empty Histogram. The
// caller must not record into it from then on.
func FromHDR(h *hdrhistogram.Histogram) Histogram {
	if h == nil || h.TotalCount() == 0 {
		return Histogram{}
	}
	q := h.ValueAtPercentiles([]float64{50, 75, 90, 99, 99.9, 99.99})
	return Histogram{hdr: h, digest: Digest{
		Count: uint64(max(h.TotalCount(), 0)), Mean: h.Mean() / 1e3, Min: ms(h.Min()),
		P50: ms(q[50]), P75: ms(q[75]), P90: ms(q[90]), P99: ms(q[99]), P999: ms(q[99.9]), P9999: ms(q[99.99]),
		Max: ms(h.Max()),
	}}
}

// FromDigest makes a Histogram of which no more is known.
func FromDigest(d Digest) Histogram { return Histogram{digest: d} }

func ms(us int64) float64 { return float64(us) / 1e3 }

// Digest returns the figures; in milliseconds.
func (h Histogram) Digest() Digest { return h.digest }

// HDR returns the whole histogram in microseconds, or nil if it isn't known. It is for reading
// only.
func (h Histogram) HDR() *hdrhistogram.Histogram { return h.hdr }

// IsZero reports whether nothing is known.
func (h Histogram) IsZero() bool { return h.hdr == nil && h.digest == Digest{} }

// Percentile returns the latency in milliseconds below which p percent lie, 0 to 100, and false
// if that isn't known.
func (h Histogram) Percentile(p float64) (float64, bool) {
	if h.hdr != nil {
		return ms(h.hdr.ValueAtPercentile(p)), true
	}
	d := &h.digest
	v := map[float64]float64{0: d.Min, 50: d.P50, 75: d.P75, 90: d.P90, 99: d.P99, 99.9: d.P999, 99.99: d.P9999, 100: d.Max}[p]
	return v, v > 0
}

// histogramJSON is a Histogram in a file: figures for people and other programs, and the whole for
// this one, as HdrHistogram's own compressed form (V2, base64).
type histogramJSON struct {
	Digest
	HDR string `json:"hdr_us,omitempty"`
}

// MarshalJSON implements [json.Marshaler].
func (h Histogram) MarshalJSON() ([]byte, error) {
	out := histogramJSON{Digest: h.digest}
	if h.hdr != nil {
		encoded, err := h.hdr.EncodeV2()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrHistogram, err)
		}
		out.HDR = string(encoded)
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var in histogramJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*h = Histogram{digest: in.Digest}
	if in.HDR == "" {
		return nil
	}
	if err := checkEncoded(in.HDR); err != nil {
		return err
	}
	decoded, err := hdrhistogram.Decode([]byte(in.HDR))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHistogram, err)
	}
	*h = FromHDR(decoded)
	return nil
}

// checkEncoded looks at the head of an encoded histogram, since decoding allocates what that says.
func checkEncoded(s string) error {
	if len(s) > fileEncoded {
		return fmt.Errorf("%w: %d bytes long, more than %d", ErrHistogram, len(s), fileEncoded)
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHistogram, err)
	}
	if len(raw) < 8 {
		return fmt.Errorf("%w: %d bytes long, less than its head", ErrHistogram, len(raw))
	}
	z, err := zlib.NewReader(bytes.NewReader(raw[8:]))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHistogram, err)
	}
	// Cookie, length, offset, digits: four of 4 bytes; then lowest, highest, ratio: three of 8.
	var head [40]byte
	if _, err := io.ReadFull(z, head[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrHistogram, err)
	}
	digits := binary.BigEndian.Uint32(head[12:])
	highest := binary.BigEndian.Uint64(head[24:])
	if digits > fileDigits || highest > fileMax {
		return fmt.Errorf("%w: it reaches to %d µs with %d digits; at most %d µs and %d digits are read", ErrHistogram, highest, digits, fileMax, fileDigits)
	}
	return nil
}
