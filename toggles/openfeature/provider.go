package openfeature

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	sdk "github.com/open-feature/go-sdk/openfeature"

	"nanofront/toggles"
)

const (
	// loadTimeout is how long Init waits for toggles.
	loadTimeout = 5 * time.Second
	// lookEvery is how often it is seen whether etcd answers.
	lookEvery = 200 * time.Millisecond
	// problem is the metadata of a value that is the toggle's default for want of a key: an error
	// would make it the caller's.
	problem = "nanofront.problem"
)

// Provider gives a Store's toggles to OpenFeature's client.
type Provider struct {
	store  *toggles.Store
	events chan sdk.Event

	mu   sync.Mutex
	stop func() // of what Init has started; nil: nothing
}

var (
	_ sdk.FeatureProvider = (*Provider)(nil)
	_ sdk.StateHandler    = (*Provider)(nil)
	_ sdk.EventHandler    = (*Provider)(nil)
)

// New makes a provider. The Store stays the caller's, to be closed after the provider was shut down.
func New(store *toggles.Store) *Provider {
	return &Provider{store: store, events: make(chan sdk.Event, 16)}
}

// Metadata implements the SDK's FeatureProvider.
func (p *Provider) Metadata() sdk.Metadata { return sdk.Metadata{Name: "nanofront"} }

// Hooks implements the SDK's FeatureProvider.
func (p *Provider) Hooks() []sdk.Hook { return nil }

// Init waits until toggles are known.
func (p *Provider) Init(sdk.EvaluationContext) error {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	if err := p.store.Loaded(ctx); err != nil {
		return p.store.Ready()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop == nil {
		p.stop = p.watch()
	}
	return nil
}

// Shutdown ends what Init has begun.
func (p *Provider) Shutdown() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

// EventChannel implements the SDK's EventHandler: toggles have changed, etcd doesn't answer, and
// answers again.
func (p *Provider) EventChannel() <-chan sdk.Event { return p.events }

// watch says what happens until it is stopped.
func (p *Provider) watch() (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	silence := p.store.OnChange(func(changed []string) {
		p.say(sdk.ProviderConfigChange, sdk.ProviderEventDetails{Message: "toggles have changed", FlagChanges: changed})
	})
	go func() { // ends with stop
		defer close(done)
		look := time.NewTicker(lookEvery)
		defer look.Stop()
		stale := false
		for {
			if now := p.store.Stale(); now != stale {
				stale = now
				if stale {
					p.say(sdk.ProviderStale, sdk.ProviderEventDetails{Message: p.store.Degraded()})
				} else {
					p.say(sdk.ProviderReady, sdk.ProviderEventDetails{Message: "etcd answers"})
				}
			}
			select {
			case <-ended:
				return
			case <-look.C:
			}
		}
	}()
	return func() {
		silence()
		close(ended)
		<-done
	}
}

// say drops an event that nobody takes.
func (p *Provider) say(kind sdk.EventType, details sdk.ProviderEventDetails) {
	select {
	case p.events <- sdk.Event{ProviderName: p.Metadata().Name, EventType: kind, ProviderEventDetails: details}:
	default:
	}
}

// BooleanEvaluation implements the SDK's FeatureProvider.
func (p *Provider) BooleanEvaluation(ctx context.Context, flag string, fallback bool, flat sdk.FlattenedContext) sdk.BoolResolutionDetail {
	return detail(p.evaluate(ctx, flag, toggles.Boolean, flat), fallback)
}

// StringEvaluation implements the SDK's FeatureProvider.
func (p *Provider) StringEvaluation(ctx context.Context, flag, fallback string, flat sdk.FlattenedContext) sdk.StringResolutionDetail {
	return detail(p.evaluate(ctx, flag, toggles.String, flat), fallback)
}

// FloatEvaluation implements the SDK's FeatureProvider.
func (p *Provider) FloatEvaluation(ctx context.Context, flag string, fallback float64, flat sdk.FlattenedContext) sdk.FloatResolutionDetail {
	return detail(p.evaluate(ctx, flag, toggles.Number, flat), fallback)
}

// IntEvaluation implements the SDK's FeatureProvider. A number that is no integer is a type mismatch.
func (p *Provider) IntEvaluation(ctx context.Context, flag string, fallback int64, flat sdk.FlattenedContext) sdk.IntResolutionDetail {
	r := p.evaluate(ctx, flag, toggles.Number, flat)
	if r.Value != nil {
		n, err := r.Whole()
		if err != nil {
			r = toggles.Result{Reason: toggles.Failed, Err: err, Flag: r.Flag}
		} else {
			r.Value = n
		}
	}
	return detail(r, fallback)
}

// ObjectEvaluation implements the SDK's FeatureProvider.
func (p *Provider) ObjectEvaluation(ctx context.Context, flag string, fallback any, flat sdk.FlattenedContext) sdk.InterfaceResolutionDetail {
	return detail(p.evaluate(ctx, flag, toggles.Object, flat), fallback)
}

func (p *Provider) evaluate(ctx context.Context, flag string, kind toggles.Kind, flat sdk.FlattenedContext) toggles.Result {
	if err := p.store.Ready(); err != nil {
		return toggles.Result{Reason: toggles.Failed, Err: toggles.NotReady}
	}
	v := toggles.From(ctx)
	if v == nil {
		v = p.store.ViewNow(0, nil)
	}
	if len(flat) == 0 {
		return v.Evaluate(flag, kind)
	}
	return v.EvaluateWith(flag, kind, &merged{v.Context(), flat})
}

// merged is an evaluation's own context over that of the request. It is made when it is asked for.
type merged struct {
	under toggles.Context
	over  sdk.FlattenedContext
}

// Attributes implements toggles.Context.
func (m *merged) Attributes() map[string]any {
	var all map[string]any
	if m.under != nil {
		all = maps.Clone(m.under.Attributes())
	}
	if all == nil {
		all = make(map[string]any, len(m.over))
	}
	for k, v := range m.over {
		all[k] = plain(v)
	}
	return all
}

// plain is a value as JSON has it, for rules.
func plain(v any) any {
	switch v := v.(type) {
	case nil, bool, string, float64:
		return v
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	}
	var out any
	if raw, err := json.Marshal(v); err == nil {
		_ = json.Unmarshal(raw, &out) // what was just marshalled
	}
	return out
}

// detail is a result in the SDK's form.
func detail[T any](r toggles.Result, fallback T) sdk.GenericResolutionDetail[T] {
	d := sdk.GenericResolutionDetail[T]{Value: fallback, ProviderResolutionDetail: sdk.ProviderResolutionDetail{
		Reason: sdk.Reason(r.Reason), Variant: r.Variant, FlagMetadata: r.Metadata(),
	}}
	if v, ok := r.Value.(T); ok {
		d.Value = v
	}
	if r.Err == nil {
		return d
	}
	text := r.Err.Error()
	switch toggles.CodeOf(r.Err) {
	case toggles.NoKey:
		d.FlagMetadata = maps.Clone(d.FlagMetadata)
		if d.FlagMetadata == nil {
			d.FlagMetadata = make(sdk.FlagMetadata)
		}
		d.FlagMetadata[problem] = string(toggles.NoKey)
	case toggles.NotReady:
		d.ResolutionError = sdk.NewProviderNotReadyResolutionError(text)
	case toggles.NotFound:
		d.ResolutionError = sdk.NewFlagNotFoundResolutionError(text)
	case toggles.Unparsable:
		d.ResolutionError = sdk.NewParseErrorResolutionError(text)
	case toggles.TypeMismatch:
		d.ResolutionError = sdk.NewTypeMismatchResolutionError(text)
	default:
		d.ResolutionError = sdk.NewGeneralResolutionError(text)
	}
	return d
}
