package nanobus

import "nanofront/nanobus/wire"

// Kind says what a frame is; docs/protocol.md lists them. Only who listens in
// (TapOptions) sees kinds.
type Kind = wire.Kind

// The kinds of frames that have a correlation id.
const (
	KindRequest  = wire.KindRequest
	KindResponse = wire.KindResponse
	KindCancel   = wire.KindCancel
)

// TapKinds are the kinds that can be listened to, in the order of their
// numbers: all but tap itself.
func TapKinds() []Kind {
	var kinds []Kind
	for _, k := range wire.Kinds() {
		if k != wire.KindTap {
			kinds = append(kinds, k)
		}
	}
	return kinds
}
