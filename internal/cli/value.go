package cli

import (
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"nanofront/metrics"
)

func decodeInt(text string, tag *kong.Tag, target reflect.Value) error {
	parse := func(s string) (int64, error) { return strconv.ParseInt(s, 10, target.Type().Bits()) }
	n, err := ranged(text, "a whole number", tag, parse)
	if err == nil {
		target.SetInt(n)
	}
	return err
}

func decodeUint(text string, tag *kong.Tag, target reflect.Value) error {
	parse := func(s string) (uint64, error) { return strconv.ParseUint(s, 10, target.Type().Bits()) }
	n, err := ranged(text, "a whole number of 0 or more", tag, parse)
	if err == nil {
		target.SetUint(n)
	}
	return err
}

func decodeFloat(text string, tag *kong.Tag, target reflect.Value) error {
	parse := func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }
	n, err := ranged(text, "a number", tag, parse)
	if err == nil {
		target.SetFloat(n)
	}
	return err
}

func decodeDuration(text string, tag *kong.Tag, target reflect.Value) error {
	d, err := ranged(text, "a duration (such as 250ms, 5s or 1m30s)", tag, time.ParseDuration)
	if err == nil {
		target.SetInt(int64(d))
	}
	return err
}

// ranged parses text, and holds it against the tag range:"low..high".
func ranged[T int64 | uint64 | float64 | time.Duration](text, what string, tag *kong.Tag, parse func(string) (T, error)) (T, error) {
	var zero T
	bounds := tag.Get("range")
	var low, high T
	between := ""
	if bounds != "" {
		l, h, _ := strings.Cut(bounds, "..")
		var lerr, herr error
		low, lerr = parse(l)
		high, herr = parse(h)
		if lerr != nil || herr != nil || low > high {
			return zero, fmt.Errorf("the flag's own range %q is wrong: this is a bug in the program", bounds)
		}
		between = " from " + l + " to " + h
	}
	v, err := parse(text)
	if err != nil {
		return zero, fmt.Errorf("%q is not %s%s", text, what, between)
	}
	// Not (v < low || v > high), which lets NaN pass.
	if bounds != "" && !(v >= low && v <= high) {
		return zero, fmt.Errorf("%s is out of range: it must be%s", text, between)
	}
	return v, nil
}

func decodeString(text string, tag *kong.Tag, target reflect.Value) error {
	if allowed := tag.Get("oneof"); allowed != "" {
		list := strings.Split(allowed, ",")
		if !slices.Contains(list, text) {
			list = slices.DeleteFunc(list, func(s string) bool { return s == "" }) // that is how to give none
			return fmt.Errorf("%q is not one of %s", text, strings.Join(list, ", "))
		}
	}
	target.SetString(text)
	return nil
}

// optional lets an empty text pass.
func optional(decode decoder) decoder {
	return func(text string, tag *kong.Tag, target reflect.Value) error {
		if text == "" {
			target.SetString("")
			return nil
		}
		return decode(text, tag, target)
	}
}

func decodeAddr(text string, _ *kong.Tag, target reflect.Value) error {
	if _, err := splitAddr(text); err != nil {
		return err
	}
	target.SetString(text)
	return nil
}

func decodeServer(text string, _ *kong.Tag, target reflect.Value) error {
	if err := metrics.CheckStatsdAddr(text); err != nil {
		return err
	}
	target.SetString(text)
	return nil
}

// splitAddr takes an address to listen on apart; the host may be empty.
func splitAddr(text string) (host string, err error) {
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		if _, perr := strconv.ParseUint(port, 10, 16); perr == nil && !strings.ContainsAny(host, " /") {
			return host, nil
		}
	}
	return "", fmt.Errorf("%q is not host:port with a port from 0 to 65535 (such as 127.0.0.1:8081, or :8081 for all addresses)", text)
}

func decodeEndpoints(text string, _ *kong.Tag, target reflect.Value) error {
	for e := range strings.SplitSeq(text, ",") {
		u, err := url.Parse(e)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Port() == "" || u.Hostname() == "" ||
			u.User != nil || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("%q is not http://host:port or https://host:port (several are separated by commas)", hidePassword(e))
		}
	}
	target.SetString(text)
	return nil
}

// hidePassword is a URL as it may be shown: what stands before an @ may be a password.
func hidePassword(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return "…" + s[i:]
	}
	return s
}
