package etcd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"nanofront/internal/registry"
)

// Prefix is above all keys. A user of nanofront needs to read and write it,
// and nothing else.
const Prefix = "/nanofront/v1/"

const (
	keyInstances = Prefix + "instances/"
	keyRoutes    = Prefix + "routes"

	// maxRecord bounds an instance's JSON: a valid one has some 400 bytes.
	maxRecord = 16 << 10
)

func instanceKey(i registry.Instance) string { return keyInstances + i.Service + "/" + i.ID }

// decodeInstance reads a record, which must say the same as its key. Unknown
// fields are let pass: a newer version may have added them.
func decodeInstance(key string, value []byte) (registry.Instance, error) {
	var i registry.Instance
	if len(value) > maxRecord {
		return i, fmt.Errorf("record has %d bytes: want at most %d", len(value), maxRecord)
	}
	if err := json.Unmarshal(value, &i); err != nil {
		return i, fmt.Errorf("record isn't JSON of an instance: %w", err)
	}
	if err := i.Validate(); err != nil {
		return i, err
	}
	if strings.TrimPrefix(key, keyInstances) != i.Service+"/"+i.ID {
		return i, errors.New("key and record name different instances")
	}
	return i, nil
}
