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
	// lives is how many times as long as an instance's the record lives when
	// nobody keeps it up.
	lives int
}

// processLives is that of a process' record. No request is sent by it, so it
// needn't go at once with its process; and each upkeep wakes one that idles.
const processLives = 3

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

func (c *Client) processRecord(p registry.Process) (record, error) {
	if err := p.Validate(); err != nil {
		return record{}, err
	}
	r, err := newRecord(c.keys.process(p), p, p.Started, fmt.Sprintf("%s process %d", p.Host, p.PID))
	r.name, r.lives = p.Name, processLives
	return r, err
}

func newRecord(key string, of any, started time.Time, address string) (record, error) {
	value, err := json.Marshal(of)
	if err != nil {
		return record{}, fmt.Errorf("etcd: record of %s: %w", key, err)
	}
	return record{key: key, value: value, started: started, address: address, lives: 1}, nil
}

// decode reads the record of another process.
func (c *Client) decode(key string, value []byte) (record, error) {
	if strings.HasPrefix(key, c.keys.processes()) {
		p, err := c.keys.decodeProcess(key, value)
		if err != nil {
			return record{}, err
		}
		return c.processRecord(p)
	}
	i, err := c.keys.decodeInstance(key, value)
	if err != nil {
		return record{}, err
	}
	return c.instanceRecord(i)
}
