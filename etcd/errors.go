package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

var (
	// ErrOptions is wrapped by errors about Options and endpoints: the
	// caller's fault, exit code 2.
	ErrOptions = errors.New("etcd: invalid options")
	// ErrUnreachable is wrapped when no etcd answers in time, or the cluster
	// has no leader. A write that ends so may have happened or not.
	ErrUnreachable = errors.New("etcd: unreachable")
	// ErrDenied is wrapped when etcd answers but refuses: wrong user or
	// password, or no permission for the keys.
	ErrDenied = errors.New("etcd: denied")
	// ErrConflict is what errors.Is finds in a *ConflictError.
	ErrConflict = errors.New("etcd: conflict")
	// ErrOwned is wrapped when a service whose instances don't share their
	// data has an instance already.
	ErrOwned = errors.New("etcd: the service has another owner")
	// ErrSuperseded is wrapped in the state of a registration whose name, or
	// data, a later process has taken over.
	ErrSuperseded = errors.New("superseded")
	// ErrClosed is returned once the Client is closed.
	ErrClosed = errors.New("etcd: client is closed")
)

// ConflictError says that the routes are not at the revision that
// ApplyRoutes expected.
type ConflictError struct {
	// Expected is the caller's revision, Current the actual one; 0 stands
	// for no document.
	Expected, Current int64
}

func (e *ConflictError) Error() string {
	switch {
	case e.Current == 0:
		return fmt.Sprintf("etcd: routes were expected at revision %d, but there are none: apply with revision 0 to create them", e.Expected)
	case e.Expected == 0:
		return fmt.Sprintf("etcd: routes exist already, at revision %d: read them, and apply with that revision", e.Current)
	}
	return fmt.Sprintf("etcd: routes are at revision %d, not %d: somebody changed them: read them again, and apply with that revision", e.Current, e.Expected)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// reply is an error whose text is for the operator, while errors.Is still
// finds its kind and its cause.
type reply struct {
	text  string
	kind  error
	cause error
}

func (e *reply) Error() string   { return e.text }
func (e *reply) Unwrap() []error { return []error{e.kind, e.cause} }

// explain turns what the client library returned into an error that says
// what to do. ctx is the caller's, without the timeout of the call; within is
// how long the call was allowed to take.
func (c *Client) explain(ctx context.Context, err error, within time.Duration) error {
	if err == nil {
		return nil
	}
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	where := strings.Join(c.opts.Endpoints, ",")
	if text, ok := deniedText(err, &c.opts, where); ok {
		return &reply{text: text, kind: ErrDenied, cause: err}
	}
	if r := (*reply)(nil); errors.As(err, &r) || errors.Is(err, ErrOwned) {
		return err
	}
	switch {
	case errors.Is(err, rpctypes.ErrNoLeader), errors.Is(err, rpctypes.ErrTimeoutDueToLeaderFail), errors.Is(err, rpctypes.ErrTimeoutDueToConnectionLost):
		return &reply{text: fmt.Sprintf("etcd: the cluster at %s has no leader: do a majority of its members run?", where), kind: ErrUnreachable, cause: err}
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("etcd: the database at %s is full: compact and defragment it, then disarm the alarm: %w", where, err)
	}
	if unanswered(err) {
		if tls := c.handshakes.failure(time.Now()); tls != "" {
			return &reply{text: fmt.Sprintf("etcd: TLS with %s fails: %s: check --etcd-ca, --etcd-cert and --etcd-key", where, tls), kind: ErrUnreachable, cause: err}
		}
		if cl := c.session.Load(); cl != nil && cl.ActiveConnection().GetState() == connectivity.Ready {
			return &reply{text: fmt.Sprintf("etcd: %s is there, but gives no answer within %v", where, within.Round(time.Millisecond)), kind: ErrUnreachable, cause: err}
		}
		return &reply{text: fmt.Sprintf("etcd: no answer from %s within %v: is it running? (nanofront etcd starts one)", where, within.Round(time.Millisecond)), kind: ErrUnreachable, cause: err}
	}
	return fmt.Errorf("etcd: %s: %w", where, err)
}

func deniedText(err error, o *Options, where string) (string, bool) {
	user := o.Username
	switch e := rpctypes.Error(err); {
	case errors.Is(e, rpctypes.ErrAuthFailed):
		return fmt.Sprintf("etcd: %s refuses user %q: wrong user or password", where, user), true
	case errors.Is(e, rpctypes.ErrUserEmpty), errors.Is(e, rpctypes.ErrUserNotFound):
		return fmt.Sprintf("etcd: %s wants a user and a password: give Options.Username and Password (--etcd-user, --etcd-password-file)", where), true
	case errors.Is(e, rpctypes.ErrPermissionDenied), errors.Is(e, rpctypes.ErrPermissionNotGranted):
		return fmt.Sprintf("etcd: %s doesn't permit user %q this: grant the user's role the prefix %s", where, user, o.Prefix), true
	case errors.Is(e, rpctypes.ErrInvalidAuthToken), errors.Is(e, rpctypes.ErrAuthOldRevision):
		return fmt.Sprintf("etcd: %s doesn't accept the session of user %q any more", where, user), true
	}
	return "", false
}

// unanswered reports whether err means that nobody answered, as opposed to
// an answer that says no.
func unanswered(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	if s, ok := status.FromError(err); ok {
		return s.Code() == codes.Unavailable || s.Code() == codes.DeadlineExceeded || s.Code() == codes.Canceled
	}
	var e rpctypes.EtcdError
	return errors.As(err, &e) && (e.Code() == codes.Unavailable || e.Code() == codes.DeadlineExceeded)
}
