package etcd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"nanofront/registry"
)

// DefaultPrefix is above all keys of a system that was given no other. A user
// of nanofront needs to read and write what is below its prefix, and nothing
// else.
const DefaultPrefix = "/nanofront/v1/"

const (
	// maxPrefix bounds a prefix, in bytes.
	maxPrefix = 200
	// maxRecord bounds an instance's JSON: a valid one has some 400 bytes.
	maxRecord = 16 << 10
)

// ParsePrefix reads a prefix such as "/staging/nanofront": names with slashes
// before and between them. It is returned with a slash at the end, so that
// none of two systems' prefixes begins like the other's by accident. The error
// wraps ErrOptions.
func ParsePrefix(s string) (string, error) {
	bad := func(why string) (string, error) {
		return "", fmt.Errorf("%w: Options.Prefix (--etcd-prefix): %q %s: want a path such as %s", ErrOptions, s, why, DefaultPrefix)
	}
	if len(s) > maxPrefix {
		return "", fmt.Errorf("%w: Options.Prefix (--etcd-prefix): %d bytes: want at most %d", ErrOptions, len(s), maxPrefix)
	}
	names := strings.TrimSuffix(s, "/")
	if !strings.HasPrefix(names, "/") {
		return bad("doesn't begin with / and a name")
	}
	for name := range strings.SplitSeq(names[1:], "/") {
		if name == "" {
			return bad("has an empty name")
		}
		for i := range len(name) {
			if name[i] <= ' ' || name[i] > '~' {
				return bad("has other than printable ASCII, or a space")
			}
		}
	}
	return names + "/", nil
}

// keys is a prefix, and what lies where below it.
type keys string

func (k keys) routes() string    { return string(k) + "routes" }
func (k keys) instances() string { return string(k) + "instances/" }
func (k keys) processes() string { return string(k) + "processes/" }
func (k keys) intents() string   { return string(k) + "intents/" }
func (k keys) history() string   { return string(k) + "history/" }
func (k keys) releases() string  { return string(k) + "releases/" }

// toggles are behind everything else, so that whoever wants the rest reads up to them: 10,000 of
// them are not read by those that have none. head is before them, and belongs to both.
func (k keys) toggles() string { return string(k) + "toggles/" }
func (k keys) head() string    { return string(k) + "toggles" }

func (k keys) toggle(name string) string { return k.toggles() + name }

func (k keys) instance(i registry.Instance) string { return k.instances() + i.Service + "/" + i.ID }

// process has the service in it where there is one: two services' instances may
// have the same name.
func (k keys) process(p registry.Process) string {
	key := k.processes() + p.Kind + "/"
	if p.Service != "" {
		key += p.Service + "/"
	}
	return key + p.Name
}

// intent is the key of what is wanted of a process. No service is called as terminators' are.
func (k keys) intent(i registry.Intent) string {
	service := i.Service
	if i.Terminator {
		service = "@" + registry.KindTerminator
	}
	return k.intents() + service + "/" + i.ID
}

// decodeIntent is decodeInstance for an intent.
func (k keys) decodeIntent(key string, value []byte) (registry.Intent, error) {
	var i registry.Intent
	if err := decodeRecord(value, &i); err != nil {
		return i, err
	}
	if key != k.intent(i) {
		return i, errors.New("key and record name different processes")
	}
	return i, nil
}

// decodeInstance reads a record, which must say the same as its key. Unknown
// fields are let pass: a newer version may have added them.
func (k keys) decodeInstance(key string, value []byte) (registry.Instance, error) {
	var i registry.Instance
	if err := decodeRecord(value, &i); err != nil {
		return i, err
	}
	if key != k.instance(i) {
		return i, errors.New("key and record name different instances")
	}
	i.WeightBy = "" // for intents to say
	return i, nil
}

// decodeProcess is decodeInstance for a process.
func (k keys) decodeProcess(key string, value []byte) (registry.Process, error) {
	var p registry.Process
	if err := decodeRecord(value, &p); err != nil {
		return p, err
	}
	if key != k.process(p) {
		return p, errors.New("key and record name different processes")
	}
	return p, nil
}

func decodeRecord[T interface{ Validate() error }](value []byte, into *T) error {
	if len(value) > maxRecord {
		return fmt.Errorf("record has %d bytes: want at most %d", len(value), maxRecord)
	}
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("record isn't valid: %w", err)
	}
	return (*into).Validate()
}
