package openfeature_test

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/open-feature/go-sdk/openfeature"

	"nanofront/internal/testutil"
	"nanofront/registry/toggled"
	"nanofront/toggles"
	provider "nanofront/toggles/openfeature"
)

// source says what the test sends.
type source struct {
	says chan []toggled.Change
	away atomic.Bool
}

func (s *source) Healthy() bool { return !s.away.Load() }

func (s *source) WatchToggles(ctx context.Context, fn func([]toggled.Change)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case list := <-s.says:
			fn(list)
		}
	}
}

const definitions = `{"flags": {
	"bool": {"variants": {"on": true, "off": false}, "defaultVariant": "on", "metadata": {"owner": "me"}},
	"text": {"variants": {"a": "A", "b": "B"}, "defaultVariant": "a", "targeting": {"if": [{"==": [{"var": "cookie.plan"}, "pro"]}, "b"]}},
	"float": {"variants": {"x": 1.5}, "defaultVariant": "x"},
	"int": {"variants": {"x": 10}, "defaultVariant": "x"},
	"object": {"variants": {"x": {"k": [1, "v"]}}, "defaultVariant": "x"},
	"age": {"variants": {"old": "old", "young": "young"}, "targeting": {"if": [{">": [{"var": "user.age"}, 30]}, "old", "young"]}},
	"share": {"variants": {"a": "A", "b": "B"}, "defaultVariant": "a", "targeting": {"fractional": [["b"]]}},
	"off": {"state": "DISABLED", "variants": {"on": true}, "defaultVariant": "on"},
	"bare": {"variants": {"on": true}}
}}`

// OpenFeature's own client gets what is meant, for each type, and its default with the reason
// otherwise; and hears of changes, and of etcd's absence.
func TestProvider_WithTheSDKsClient(t *testing.T) {
	src := &source{says: make(chan []toggled.Change)}
	store, err := toggles.Open(toggles.Options{Source: src})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	list, err := toggles.ParseDefinitions([]byte(definitions))
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends when the Store has taken it
		src.says <- []toggled.Change{{Revision: 1, Whole: true, List: list}}
	}()
	if err := sdk.SetNamedProviderAndWait("test", provider.New(store)); err != nil {
		t.Fatal(err)
	}
	defer sdk.Shutdown()
	client := sdk.NewClient("test")
	events := make(chan string, 100)
	for _, kind := range []sdk.EventType{sdk.ProviderConfigChange, sdk.ProviderStale, sdk.ProviderReady} {
		tell := func(d sdk.EventDetails) { events <- fmt.Sprint(kind, d.FlagChanges) }
		client.AddHandler(kind, &tell)
	}
	hears := func(want string) {
		t.Helper()
		for end := time.After(testutil.Patience); ; {
			select {
			case got := <-events:
				if got == want {
					return
				}
			case <-end:
				t.Fatalf("never heard %s", want)
			}
		}
	}

	ctx := toggles.With(t.Context(), store.View(t.Context(), 0, toggles.Attributes{"cookie": map[string]any{"plan": "pro"}, "targetingKey": "me"}))
	plain := t.Context()
	none := sdk.EvaluationContext{}
	type outcome struct {
		value   any
		variant string
		reason  sdk.Reason
		code    sdk.ErrorCode
	}
	text := func(ctx context.Context, flag string, e sdk.EvaluationContext) outcome {
		d, _ := client.StringValueDetails(ctx, flag, "default", e) // its error is in the details
		return outcome{d.Value, d.Variant, d.Reason, d.ErrorCode}
	}
	boolean := func(flag string) outcome {
		d, _ := client.BooleanValueDetails(ctx, flag, false, none) // as above
		return outcome{d.Value, d.Variant, d.Reason, d.ErrorCode}
	}
	whole := func(flag string) outcome {
		d, _ := client.IntValueDetails(ctx, flag, 7, none) // as above
		return outcome{d.Value, d.Variant, d.Reason, d.ErrorCode}
	}
	float, _ := client.FloatValueDetails(ctx, "float", 7, none)
	object, _ := client.ObjectValueDetails(ctx, "object", nil, none)
	born := sdk.NewEvaluationContext("", map[string]any{"user": map[string]any{"age": 31}})
	free := sdk.NewEvaluationContext("", map[string]any{"cookie": map[string]any{"plan": "free"}})
	for name, x := range map[string]struct{ got, want outcome }{
		"bool":                 {boolean("bool"), outcome{true, "on", sdk.Reason("STATIC"), ""}},
		"text, by the request": {text(ctx, "text", none), outcome{"B", "b", sdk.TargetingMatchReason, ""}},
		"text, by itself":      {text(plain, "text", none), outcome{"A", "a", sdk.DefaultReason, ""}},
		"text, by its context": {text(ctx, "text", free), outcome{"A", "a", sdk.DefaultReason, ""}},
		"float":                {outcome{float.Value, float.Variant, float.Reason, float.ErrorCode}, outcome{1.5, "x", sdk.Reason("STATIC"), ""}},
		"int":                  {whole("int"), outcome{int64(10), "x", sdk.Reason("STATIC"), ""}},
		"int, with a fraction": {whole("float"), outcome{int64(7), "", sdk.ErrorReason, sdk.TypeMismatchCode}},
		"int as text":          {text(ctx, "int", none), outcome{"default", "", sdk.ErrorReason, sdk.TypeMismatchCode}},
		"Go's int in context":  {text(ctx, "age", born), outcome{"old", "old", sdk.TargetingMatchReason, ""}},
		"share":                {text(ctx, "share", none), outcome{"B", "b", sdk.TargetingMatchReason, ""}},
		"share, of a key":      {text(plain, "share", sdk.NewTargetlessEvaluationContext(map[string]any{"targetingKey": "x"})), outcome{"B", "b", sdk.TargetingMatchReason, ""}},
		"share, of nobody":     {text(plain, "share", none), outcome{"A", "a", sdk.DefaultReason, ""}},
		"disabled":             {boolean("off"), outcome{false, "", sdk.DisabledReason, ""}},
		"without a default":    {boolean("bare"), outcome{false, "", sdk.DefaultReason, ""}},
		"unknown":              {boolean("unknown"), outcome{false, "", sdk.ErrorReason, sdk.FlagNotFoundCode}},
	} {
		if x.got != x.want {
			t.Errorf("%s: got %+v, want %+v", name, x.got, x.want)
		}
	}
	if want := map[string]any{"k": []any{1.0, "v"}}; !reflect.DeepEqual(object.Value, want) {
		t.Errorf("object: %v, want %v", object.Value, want)
	}
	if d, _ := client.BooleanValueDetails(ctx, "bool", false, none); d.FlagMetadata["owner"] != "me" {
		t.Errorf("metadata: %v", d.FlagMetadata)
	}
	if d, _ := client.StringValueDetails(plain, "share", "default", none); d.FlagMetadata["nanofront.problem"] != "TARGETING_KEY_MISSING" {
		t.Errorf("a share of nobody doesn't say so: %v", d.FlagMetadata)
	}

	src.says <- []toggled.Change{{Revision: 2, List: []toggled.Toggle{{Name: "bool", Revision: 2, Definition: []byte(`{"variants": {"on": true, "off": false}, "defaultVariant": "off"}`)}}}}
	hears("PROVIDER_CONFIGURATION_CHANGED[bool]")
	if got := boolean("bool"); got.value != true {
		t.Errorf("a request sees what was changed after it began: %+v", got)
	}
	src.away.Store(true)
	hears("PROVIDER_STALE[]")
	if d, _ := client.BooleanValueDetails(plain, "bool", true, none); d.Value || d.Reason != "STALE" {
		t.Errorf("with etcd away: %+v", d)
	}
	src.away.Store(false)
	hears("PROVIDER_READY[]")
}

// Before anything is known the client's default counts, as an error.
func TestProvider_NotReady(t *testing.T) {
	store, err := toggles.Open(toggles.Options{Source: &source{says: make(chan []toggled.Change)}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d := provider.New(store).BooleanEvaluation(t.Context(), "x", true, nil)
	if !d.Value || d.ResolutionDetail().ErrorCode != sdk.ProviderNotReadyCode {
		t.Errorf("got %+v", d)
	}
}
