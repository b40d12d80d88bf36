package web

import "strconv"

// appendAgo appends how long ago something was, in words: seconds from then to
// now, both in Unix seconds. What lies ahead, as clocks differ, is "just now".
func appendAgo(dst []byte, then, now int64) []byte {
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	for _, u := range [...]struct {
		from, size int64
		one, many  string
	}{
		{2 * 365 * day, 365 * day, "", " years ago"},
		{365 * day, 365 * day, "a year ago", ""},
		{60 * day, 30 * day, "", " months ago"},
		{30 * day, 30 * day, "a month ago", ""},
		{2 * day, day, "", " days ago"},
		{day, day, "a day ago", ""},
		{2 * hour, hour, "", " hours ago"},
		{hour, hour, "an hour ago", ""},
		{2 * minute, minute, "", " minutes ago"},
		{minute, minute, "a minute ago", ""},
	} {
		past := now - then
		switch {
		case past < u.from:
		case u.one != "":
			return append(dst, u.one...)
		default:
			return append(strconv.AppendInt(dst, past/u.size, 10), u.many...)
		}
	}
	return append(dst, "just now"...)
}
