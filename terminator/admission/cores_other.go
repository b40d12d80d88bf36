//go:build !linux

package admission

import "time"

// threadTimes isn't known here.
func threadTimes() (ran, waited time.Duration, ok bool) { return 0, 0, false }
