package profile

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Keys of the Pebble store, each kind under a letter of its own:
//
//	m/ id(64)              a member: see below
//	c/ city 00 id(64)      index: the member lives there; no value; city folded
//	s/seeded               id(64): Seed has loaded all up to this one
//
// The value of a member is what readers get, and before it what they need
// without parsing it, numbers in network byte order:
//
//	version(64) last_seen(64) length(16) city document
//
// where city is percent-encoded and length is that of city.
const (
	memberKeyLen = 2 + 8
	recordHead   = 8 + 8 + 2
)

var (
	seededKey = []byte("s/seeded")

	errCorrupt = errors.New("profile: a record in the store is damaged")
	// errUnreadable: something that is there, or may be, can't be read.
	errUnreadable = errors.New("profile: reading")
)

func appendMemberKey(dst []byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 'm', '/'), id)
}

// appendCityPrefix appends what all index entries of a city begin with.
func appendCityPrefix(dst []byte, city string) []byte {
	dst = append(dst, 'c', '/')
	dst = append(dst, foldCity(city)...)
	return append(dst, 0)
}

func appendCityKey(dst []byte, city string, id uint64) []byte {
	return binary.BigEndian.AppendUint64(appendCityPrefix(dst, city), id)
}

// foldCity makes a city's name the same however its case is written.
func foldCity(city string) string { return strings.ToLower(strings.TrimSpace(city)) }

// appendRecord appends a member's value.
func appendRecord(dst []byte, m *Member) ([]byte, error) {
	city := url.QueryEscape(m.City)
	dst = binary.BigEndian.AppendUint64(dst, m.Version)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.LastSeen.Unix())) // two's complement there and back
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(city)))         // bounded by MaxCity
	dst = append(dst, city...)
	return m.appendJSON(dst)
}

// parseRecord takes a value apart; the document aliases it.
func parseRecord(b []byte) (Document, error) {
	if len(b) < recordHead {
		return Document{}, errCorrupt
	}
	city := int(binary.BigEndian.Uint16(b[16:]))
	if len(b) < recordHead+city {
		return Document{}, errCorrupt
	}
	return Document{
		Version:  binary.BigEndian.Uint64(b),
		LastSeen: int64(binary.BigEndian.Uint64(b[8:])),
		City:     b[recordHead : recordHead+city : recordHead+city],
		JSON:     b[recordHead+city:],
	}, nil
}

// parseMember reads the document of a value back into a Member.
func parseMember(b []byte) (Member, error) {
	doc, err := parseRecord(b)
	if err != nil {
		return Member{}, err
	}
	var m Member
	if err := json.Unmarshal(doc.JSON, &m); err != nil {
		return Member{}, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return m, nil
}
