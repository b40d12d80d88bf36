package profile

import (
	"context"
	"fmt"
)

const (
	// MaxSeed is the most members that Seed makes: some 100 GB.
	MaxSeed = 100_000_000
	// seedBatch is how many members are written at once.
	seedBatch = 500
)

// Loader is what Seed fills.
type Loader interface {
	// Loaded returns the highest id that Load was given, 0 at first.
	Loaded() (uint64, error)
	// Load writes new members in ascending order of ids, and notes the last
	// one for Loaded, both or neither. It is not durable before Sync.
	Load(members []Member) error
	// Sync makes durable what was loaded.
	Sync() error
}

// Seed makes the members 1 to n, up to MaxSeed, unless they have been made
// before. It goes on where a former call was cut short, and never touches a
// member twice, so that what became of them since stays. report is called
// now and then with the highest id made; nil is nobody.
//
// When ctx ends, what was made until then stays, and the error is ctx's.
func Seed(ctx context.Context, l Loader, n uint64, report func(done uint64)) error {
	if n > MaxSeed {
		return fmt.Errorf("profile: --seed %d: want at most %d", n, MaxSeed)
	}
	done, err := l.Loaded()
	if err != nil {
		return err
	}
	if done >= n {
		return nil
	}
	members := make([]Member, 0, seedBatch)
	for done < n {
		if err := ctx.Err(); err != nil {
			return err
		}
		members = members[:0]
		for len(members) < seedBatch && done < n {
			done++
			members = append(members, Generate(done))
		}
		if err := l.Load(members); err != nil {
			return err
		}
		if report != nil {
			report(done)
		}
	}
	return l.Sync()
}
