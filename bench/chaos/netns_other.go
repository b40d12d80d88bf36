//go:build !linux

package chaos

import (
	"context"
	"fmt"
)

// elsewhere is for Linux.
func elsewhere(context.Context, *bed) error {
	return fmt.Errorf("%w: network namespaces are Linux'", errSkip)
}

func gone(context.Context, *bed) error { return nil }

func partition(context.Context, *bed) error { return nil }

func reunite(context.Context, *bed) error { return nil }
