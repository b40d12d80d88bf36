package profile

import (
	"fmt"
	"strings"
	"time"
)

// Bounds of generated about texts, in bytes.
const (
	minGeneratedAbout = 200
	maxGeneratedAbout = 800
)

// generatedLastSeen is when the last of the generated members was seen. It is
// a constant because a member must come out the same whenever it is made.
var generatedLastSeen = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)

// Generate makes the member with that id up: the same one each time, on every
// machine, for ever (TestGenerate_Golden). It uses nothing but id.
func Generate(id uint64) Member {
	r := dice{state: id}
	where := places[r.upTo(len(places))]
	m := Member{
		ID:       id,
		Version:  1,
		Gender:   r.gender(),
		Birthday: r.birthday(),
		City:     where.city,
		Country:  where.country,
		PhotoURL: fmt.Sprintf("/photo/%d.svg", id),
		LastSeen: generatedLastSeen.Add(-r.ago()),
	}
	m.Nickname = r.nickname(m.Gender)
	m.Interests = r.interests()
	m.About = r.about(m.City, m.Interests)
	return m
}

// dice is the SplitMix64 generator (Steele, Lea, Flood 2014): one word of
// state, and good from any seed, consecutive ones included.
type dice struct{ state uint64 }

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// upTo returns 0 ≤ x < n. The bias is below 2⁻⁵⁰ for the lists here.
func (d *dice) upTo(n int) int { return int(d.next() % uint64(n)) }

func (d *dice) gender() string {
	switch p := d.upTo(100); {
	case p < 47:
		return "female"
	case p < 94:
		return "male"
	default:
		return "nonbinary"
	}
}

// birthday is of somebody who is 18 to 80 in 2026, more likely young.
func (d *dice) birthday() string {
	age := 18 + min(d.upTo(62), d.upTo(62))
	day := time.Date(2026-age, time.January, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -d.upTo(365)-1)
	return day.Format(time.DateOnly)
}

// ago is up to 48 days, each order of magnitude from minutes on being as
// likely as the next.
func (d *dice) ago() time.Duration {
	span := uint64(1) << (9 + d.upTo(14))
	return time.Duration(d.next()%span) * time.Second // below 2^22
}

func (d *dice) nickname(gender string) string {
	var name string
	switch gender {
	case "female":
		name = femaleNames[d.upTo(len(femaleNames))]
	case "male":
		name = maleNames[d.upTo(len(maleNames))]
	default:
		name = otherNames[d.upTo(len(otherNames))]
	}
	word := nickWords[d.upTo(len(nickWords))]
	number := d.upTo(90) + 10
	switch d.upTo(5) {
	case 0:
		return fmt.Sprintf("%s%d", name, number)
	case 1:
		return word + "_" + strings.ToLower(name)
	case 2:
		return name + "_" + word
	case 3:
		return fmt.Sprintf("%s_%s%d", word, strings.ToLower(name), number)
	default:
		return fmt.Sprintf("%s.%s.%d", strings.ToLower(name), word, number)
	}
}

// interests are three to eight, none twice.
func (d *dice) interests() []string {
	n := 3 + d.upTo(6)
	list := make([]string, 0, n)
	var seen [len(interests)]bool
	for len(list) < n {
		if i := d.upTo(len(interests)); !seen[i] {
			seen[i] = true
			list = append(list, interests[i])
		}
	}
	return list
}

// about puts sentences together up to a length drawn beforehand, no sentence
// twice. The shortest text possible is longer than minGeneratedAbout because
// filling goes on until then, and no sentence is as long as what is between
// the longest target and maxGeneratedAbout (TestGenerate_Plausible).
func (d *dice) about(city string, likes []string) string {
	target := minGeneratedAbout + d.upTo(400)
	var b strings.Builder
	b.Grow(maxGeneratedAbout)
	b.WriteString(strings.ReplaceAll(openers[d.upTo(len(openers))], "%c", city))
	b.WriteByte(' ')
	b.WriteString(strings.ReplaceAll(workLines[d.upTo(len(workLines))], "%j", jobs[d.upTo(len(jobs))]))
	b.WriteByte(' ')
	b.WriteString(strings.NewReplacer("%a", likes[0], "%b", likes[1]).Replace(likeLines[d.upTo(len(likeLines))]))
	b.WriteByte(' ')
	var said [len(plainLines)]bool
	for b.Len() < target {
		i := d.upTo(len(plainLines))
		if said[i] {
			continue
		}
		said[i] = true
		b.WriteString(plainLines[i])
		b.WriteByte(' ')
	}
	b.WriteString(closers[d.upTo(len(closers))])
	return b.String()
}
