package etcd

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"nanofront/registry"
)

// record is what a process writes of itself, with what is needed to tell it
// from another one under the same key.
type record struct {
	key     string
	value   []byte
	started time.Time
	address string // where others find it
	owner   string // registry.Instance.Owner
	service string // where owner is set: the prefix of its service's keys
	name    string // for people
}

// later reports whether r's process is the later one. Where both started at
// once, the greater address wins: any rule will do, as long as both sides
// apply the same.
func (r *record) later(other record) bool {
	return r.started.After(other.started) || r.started.Equal(other.started) && r.address > other.address
}

func (c *Client) instanceRecord(i registry.Instance) (record, error) {
	if err := i.Validate(); err != nil {
		return record{}, err
	}
	r, err := newRecord(c.keys.instance(i), i, i.Started, i.Address)
	r.owner, r.name = i.Owner, i.Service+"/"+i.ID
	if r.owner != "" {
		r.service = c.keys.instances() + i.Service + "/"
	}
	return r, err
}

func (c *Client) terminatorRecord(t registry.Terminator) (record, error) {
	if err := t.Validate(); err != nil {
		return record{}, err
	}
	return newRecord(c.keys.terminator(t), t, t.Started, t.Host+" "+t.HTTP)
}

func newRecord(key string, of any, started time.Time, address string) (record, error) {
	value, err := json.Marshal(of)
	if err != nil {
		return record{}, fmt.Errorf("etcd: record of %s: %w", key, err)
	}
	return record{key: key, value: value, started: started, address: address}, nil
}

// decode reads the record of another process.
func (c *Client) decode(key string, value []byte) (record, error) {
	if strings.HasPrefix(key, c.keys.terminators()) {
		t, err := c.keys.decodeTerminator(key, value)
		if err != nil {
			return record{}, err
		}
		return c.terminatorRecord(t)
	}
	i, err := c.keys.decodeInstance(key, value)
	if err != nil {
		return record{}, err
	}
	return c.instanceRecord(i)
}
