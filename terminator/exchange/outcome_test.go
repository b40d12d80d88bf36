package exchange

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"nanofront/nanobus"
)

func TestOutcomeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want outcome
	}{
		{nil, answered},
		{nanobus.ErrNoInstance, noInstance},
		{nanobus.ErrClosed, noInstance},
		{nanobus.ErrNoCredit, noCredit},
		{nanobus.ErrLinkDown, linkBroke},
		{nanobus.ErrTimeout, timedOut},
		{nanobus.ErrCancelled, clientGone},
		{nanobus.ErrTooLarge, bodyTooLarge},
		{errors.New("other"), handlerFailed},
		{fmt.Errorf("wrapped: %w", &nanobus.RemoteError{Code: nanobus.CodeDraining}), noInstance},
	} {
		if got := outcomeOf(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, outcomes[got].status, outcomes[c.want].status)
		}
	}
}

// No status that isn't registered is ever sent.
func TestOutcomes_Registered(t *testing.T) {
	for i := range outcomes {
		if s := outcomes[i].status; http.StatusText(s) == "" && outcome(i) != clientGone { // to whom nothing is sent
			t.Errorf("outcome %d has status %d", i, s)
		}
	}
}
