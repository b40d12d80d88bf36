package profile

import (
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"nanofront/internal/terminal"
)

const (
	// progressAfter is how long seeding takes before it says so.
	progressAfter = 2 * time.Second
	// progressEvery is the time between two lines where there is no terminal.
	progressEvery = 2 * time.Second
)

// progress shows how far seeding has come: as a bar on a terminal, else as
// lines of the log; not at all if it is over soon.
type progress struct {
	out   io.Writer // the terminal; nil: there is none
	log   zerolog.Logger
	now   func() time.Time
	total uint64

	started, said time.Time
	first         uint64 // where it began
	bars          *mpb.Progress
	bar           *mpb.Bar
}

// newProgress shows on standard error.
func newProgress(log zerolog.Logger, first, total uint64) *progress {
	p := &progress{log: log, now: time.Now, total: total, first: first}
	if terminal.Is(os.Stderr) {
		p.out = os.Stderr
	}
	p.started = p.now()
	return p
}

// report is Seed's.
func (p *progress) report(done uint64) {
	now := p.now()
	if now.Sub(p.started) < progressAfter {
		return
	}
	if p.out == nil {
		if now.Sub(p.said) >= progressEvery {
			p.said = now
			p.log.Info().Uint64("done", done).Uint64("of", p.total).Msg("creating members")
		}
		return
	}
	if p.bar == nil {
		p.bars = mpb.New(mpb.WithOutput(p.out), mpb.WithWidth(40))
		p.bar = p.bars.AddBar(int64(p.total), // at most MaxSeed
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name("creating members "), decor.CountersNoUnit("%d of %d")),
			mpb.AppendDecorators(decor.Percentage(), decor.Name(" "), decor.AverageETA(decor.ET_STYLE_GO)),
		)
		p.bar.DecoratorAverageAdjust(p.started)
	}
	p.bar.SetCurrent(int64(done))
}

// end takes the bar away, also when seeding was cut short, and says what was
// done if that took its time.
func (p *progress) end(err error) {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bars.Wait()
	}
	took := p.now().Sub(p.started)
	if err == nil && took >= progressAfter {
		p.log.Info().Uint64("members", p.total-p.first).Dur("took_ms", took).Msg("created members")
	}
}
