package nanobus

import (
	"fmt"
	"slices"
)

// Kind says what a frame is; docs/protocol.md lists them. Only who listens in
// (TapOptions) sees kinds.
type Kind = kind

// kindNames are the kinds by their names in docs/protocol.md.
var kindNames = map[kind]string{
	kindHello: "hello", kindRequest: "request", kindResponse: "response", kindData: "data", kindCancel: "cancel",
	kindCredit: "credit", kindEvent: "event", kindDraining: "draining", kindPing: "ping", kindPong: "pong", kindTap: "tap",
}

// The kinds of frames that have a correlation id.
const (
	KindRequest  = kindRequest
	KindResponse = kindResponse
	KindCancel   = kindCancel
)

// String returns the kind's name, or its number if it is not known.
func (k kind) String() string {
	if name := kindNames[k]; name != "" {
		return name
	}
	return fmt.Sprintf("kind_%d", uint8(k))
}

// TapKinds are the kinds that can be listened to, in the order of their
// numbers: all but tap itself.
func TapKinds() []Kind {
	kinds := make([]Kind, 0, len(kindNames))
	for k := range kindNames {
		if k != kindTap {
			kinds = append(kinds, k)
		}
	}
	slices.Sort(kinds)
	return kinds
}
