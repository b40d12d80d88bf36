package httpmsg

import (
	"strings"
	"testing"
)

func TestFields_IdempotencyKey(t *testing.T) {
	for value, want := range map[string]string{
		`"8e03978e-40d5-43dd-bc93-6894a57f9324"`: "8e03978e-40d5-43dd-bc93-6894a57f9324",
		"8e03978e-40d5-43dd-bc93-6894a57f9324":   "8e03978e-40d5-43dd-bc93-6894a57f9324",
		` "a b" `:                                "a b",
		`"a\"\\b"`:                               `a"\b`,
		`"k";x=1`:                                "k",
		`"k" ; x="2"`:                            "k",
		"order/17+x=":                            "order/17+x=",
		strings.Repeat("k", maxKey):              strings.Repeat("k", maxKey),
		// and those that are none
		"": "", `""`: "", `"k`: "", `k"`: "", "a b": "", `"a\b"`: "", `"k"x`: "", "k;x": "", "k,l": "", "käse": "", "\"a\tb\"": "", `"\`: "",
		strings.Repeat("k", maxKey+1):             "",
		`"` + strings.Repeat("k", maxKey+1) + `"`: "",
	} {
		key, err := Fields{{Name: []byte("idempotency-key"), Value: []byte(value)}}.IdempotencyKey()
		if string(key) != want || (err == nil) != (want != "") {
			t.Errorf("%.40q: %.40q, %v; want %.40q", value, key, err, want)
		}
	}
	if key, err := (Fields{{Name: []byte("x"), Value: []byte("y")}}).IdempotencyKey(); key != nil || err != nil {
		t.Errorf("without the field: %q, %v", key, err)
	}
}
