//go:build !unix

package load

import "math"

func descriptors() int { return math.MaxInt32 }

func usage() CPU { return CPU{} }
