package main

import (
	"io"

	"nanofront/internal/cli"
	"nanofront/internal/logging"
	"nanofront/metrics"
)

// accessLog is the flag as Options have it, where 0 is the default.
func accessLog(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// accessFile is the access log's own file.
type accessFile struct {
	file *logging.LogFile
	log  *logging.Log
	base *cli.Base
	stop func()        // no SIGHUP any more
	end  chan struct{} // closed then
	done chan struct{} // nobody reopens any more
}

// openAccessLog opens the access log's file, and has SIGHUP open it anew. nil: it has none.
func openAccessLog(f *flags, base *cli.Base) (*accessFile, error) {
	if f.AccessLogFile == "" {
		return nil, nil //nolint:nilnil // none is a file to close as well
	}
	file, err := logging.OpenFile(f.AccessLogFile)
	if err != nil {
		return nil, cli.Usagef("--access-log-file: %w", err)
	}
	log, err := logging.New(logging.Options{Format: "json", Out: file, Dropped: base.Metrics.Counter(metrics.AccessLogDropped)})
	if err != nil {
		_ = file.Close() // nothing was written
		return nil, err
	}
	a := &accessFile{file: file, log: log, base: base, end: make(chan struct{}), done: make(chan struct{})}
	hangup, stop := cli.TakeHangup()
	a.stop = stop
	go func() { // ends with close
		defer close(a.done)
		for {
			select {
			case <-hangup:
				a.reopen()
			case <-a.end:
				return
			}
		}
	}()
	return a, nil
}

func (a *accessFile) reopen() {
	if err := a.file.Reopen(); err != nil {
		a.base.Log.Warn().Err(err).Msg("the access log goes on in the file that was open")
		return
	}
	a.base.Log.Info().Msg("the access log is opened anew")
}

// to is where lines go; nil: to the log.
func (a *accessFile) to() io.Writer {
	if a == nil {
		return nil
	}
	return a.log.Writer()
}

// close writes what is left.
func (a *accessFile) close() {
	if a == nil {
		return
	}
	a.stop()
	close(a.end)
	<-a.done
	if err := a.log.Close(); err != nil {
		a.base.Log.Warn().Err(err).Msg("the end of the access log is not written")
		return // the writer may still be at it
	}
	if err := a.file.Close(); err != nil {
		a.base.Log.Warn().Err(err).Msg("the access log's file didn't close cleanly")
	}
}
