package wire

import (
	"fmt"
	"slices"
)

// kindNames has the kinds' names, as in docs/protocol.md.
var kindNames = map[Kind]string{
	KindHello: "hello", KindRequest: "request", KindResponse: "response", KindData: "data", KindCancel: "cancel",
	KindCredit: "credit", KindEvent: "event", KindDraining: "draining", KindPing: "ping", KindPong: "pong", KindTap: "tap",
	KindHold: "hold",
}

// String returns the kind's name, or its number if it is not known.
func (k Kind) String() string {
	if name := kindNames[k]; name != "" {
		return name
	}
	return fmt.Sprintf("kind_%d", uint8(k))
}

// Kinds returns all kinds that have names, by number.
func Kinds() []Kind {
	kinds := make([]Kind, 0, len(kindNames))
	for k := range kindNames {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	return kinds
}
