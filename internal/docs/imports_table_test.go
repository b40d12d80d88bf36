package docs

// row says what one package may import.
type row struct {
	pkg string // without the module's name
	// may are the packages, besides the standard library, that it may import: of this
	// module without its name, of another one its path, which stands for all that is below it.
	may string
	why string // where that isn't what the order below says
}

// mayImport is the table: a package that has no row, or imports what its row doesn't say,
// breaks the build. Only what is compiled into programs is bound by it; tests import what
// they need to play the other side. From below to above:
//
//	registry, httpmsg   documents and payloads: data, and nothing else
//	metrics             figures of a process, and where they go
//	internal/...        what is shared and is no API: of what is public it knows these alone
//	nanobus             messages; with its nanobus/sp alone knows mangos
//	etcd                discovery; alone knows etcd, and etcd/embedded alone its server
//	toggles             switches, decided in memory; handlers don't know them
//	terminator          the front; it and handlers know each other by the bus alone, and
//	handlers            either declares the discovery that it wants
//	bench               reaches the system from outside only, but for the tests of bench/rivals
//	cmd                 glue; nothing imports it
//
// Helpers of tests (testutil, handlertest, http1test, resulttest) are allowed to each other alone.
var mayImport = []row{
	{"registry", "internal/doctree internal/unixpath internal/uri go.yaml.in/yaml/v3", "its documents are checked by the rules for URIs and socket paths that those who use them keep"},
	{"registry/toggled", "", "toggles as data"},
	{"registry/static", "metrics registry github.com/rs/zerolog", ""},
	{"httpmsg", "", ""},
	{"metrics", "internal/chores internal/logging github.com/cactus/go-statsd-client/v5 github.com/HdrHistogram/hdrhistogram-go github.com/rs/zerolog", ""},
	{"release", "internal/admin metrics registry release/guard", "sees etcd through an interface of its own"},
	{"release/guard", "metrics", "pure: what it is told, it judges"},
	{"metrics/gen", "internal/wholefile metrics", ""},

	{"internal/admin", "internal/logging metrics github.com/rs/zerolog", ""},
	{"internal/buildinfo", "", ""},
	{"internal/chores", "", ""},
	{"internal/cli", "internal/admin internal/buildinfo internal/contexts internal/logging internal/prometheus internal/slots internal/terminal metrics registry github.com/alecthomas/kong github.com/rs/zerolog", ""},
	{"internal/contexts", "internal/wholefile", ""},

	{"internal/dashboards", "metrics", "what is shown of metrics"},
	{"internal/dashboards/gen", "internal/dashboards internal/wholefile", ""},

	{"internal/dash/collect", "internal/dash/diagnose internal/dash/view internal/fleet metrics registry", ""},
	{"internal/dash/diagnose", "internal/dash/view", "from what is known to words; pure"},
	{"internal/dash/merged", "internal/dash/collect metrics", "figures of all processes together, for StatsD"},
	{"internal/dash/page", "internal/dash/collect internal/dash/view", ""},
	{"internal/dash/view", "", "data alone"},
	{"internal/doctree", "go.yaml.in/yaml/v3", "text into a tree that knows its lines"},
	{"internal/docs", "", ""},
	{"internal/e2e", "", ""},
	{"internal/fleet", "internal/admin metrics registry", "alone asks processes how they are, for all who show it"},
	{"internal/freeport", "", ""},
	{"internal/handover", "internal/unixpath", ""},
	{"internal/lastknown", "internal/logging metrics registry registry/toggled github.com/rs/zerolog", ""},
	{"internal/logging", "internal/terminal github.com/rs/zerolog", ""},
	{"internal/process", "golang.org/x/sys", ""},
	{"internal/prometheus", "internal/buildinfo metrics github.com/prometheus/client_golang github.com/prometheus/client_model google.golang.org/protobuf", "the only one that knows Prometheus' client, and on no request's way"},
	{"internal/rawhttp", "golang.org/x/sys", ""},
	{"internal/rawsock", "golang.org/x/sys", ""},
	{"internal/recording", "github.com/klauspost/compress", "a file, and what may be in it; knows no tap"},
	{"internal/replay", "internal/rawhttp internal/recording github.com/HdrHistogram/hdrhistogram-go", ""},
	{"internal/slots", "", ""},
	{"internal/supervisor", "internal/process internal/terminal", ""},
	{"internal/systemd", "", ""},
	{"internal/tasks", "", ""},
	{"internal/terminal", "github.com/mattn/go-isatty golang.org/x/sys", ""},
	{"internal/testutil", "internal/freeport", ""},
	{"internal/testutil/browser", "internal/testutil", "for tests alone"},
	{"internal/tlsfiles", "", ""},
	{"internal/tuning", "golang.org/x/sys", ""},
	{"internal/unixpath", "", ""},
	{"internal/uri", "", ""},
	{"internal/wholefile", "", ""},

	{"nanobus", "internal/chores internal/logging internal/tlsfiles metrics nanobus/balance nanobus/body nanobus/link nanobus/sp nanobus/tap nanobus/wire nanobus/writer github.com/rs/zerolog go.nanomsg.org/mangos/v3", ""},
	{"nanobus/busflags", "internal/cli internal/logging nanobus github.com/rs/zerolog", "the flags that all who have a bus share"},
	{"nanobus/balance", "github.com/cespare/xxhash/v2", "which instance; pure"},
	{"nanobus/body", "metrics nanobus/wire", "sees its link through an interface of its own"},
	{"nanobus/link", "internal/logging internal/tasks metrics nanobus/balance nanobus/body nanobus/sp nanobus/tap nanobus/wire nanobus/writer github.com/rs/zerolog go.nanomsg.org/mangos/v3", "tells its bus through an interface of its own"},
	{"nanobus/sp", "internal/rawsock internal/tasks internal/tlsfiles internal/unixpath go.nanomsg.org/mangos/v3", "connections; knows no frames"},
	{"nanobus/tap", "nanobus/wire", "what a tap asks for, and what it gets"},
	{"nanobus/writer", "metrics nanobus/sp nanobus/wire", "gathers bytes; knows no links"},
	{"nanobus/wire", "", "bytes alone: no socket, no clock, no link"},

	{"etcd", "etcd/lease internal/chores internal/tlsfiles metrics registry registry/toggled github.com/rs/zerolog go.etcd.io/etcd/api/v3 go.etcd.io/etcd/client/v3 go.uber.org/zap google.golang.org/grpc", ""},
	{"etcd/discovery", "etcd internal/cli metrics registry registry/static github.com/rs/zerolog", "etcd or the static table in its place, as flags say"},
	{"etcd/leader", "etcd etcd/lease github.com/rs/zerolog go.etcd.io/etcd/api/v3 go.etcd.io/etcd/client/v3", "beside discovery: for what one process of several does"},
	{"etcd/lease", "go.etcd.io/etcd/api/v3 go.etcd.io/etcd/client/v3 google.golang.org/grpc", ""},
	{"etcd/embedded", "internal/logging github.com/rs/zerolog go.etcd.io/etcd/api/v3 go.etcd.io/etcd/server/v3 go.uber.org/zap google.golang.org/grpc google.golang.org/protobuf", ""},

	{"toggles", "internal/lastknown internal/logging metrics registry/toggled github.com/diegoholiveira/jsonlogic/v3 github.com/rs/zerolog golang.org/x/mod", "decides; its source is an interface, which etcd's client implements"},
	{"toggles/openfeature", "toggles github.com/open-feature/go-sdk", "the SDK is for those who use it"},
	{"toggles/requests", "handlers toggles", "apart from handlers, so that those without toggles don't link them"},

	{"trace", "metrics github.com/rs/zerolog", "knows no collector, so that handlers link none"},
	{"trace/otlp", "trace go.opentelemetry.io/otel/exporters/otlp go.opentelemetry.io/proto/otlp google.golang.org/protobuf", ""},
	{"trace/traceflags", "internal/cli trace trace/otlp", ""},

	{"handlers", "httpmsg internal/logging internal/tasks metrics nanobus registry trace github.com/rs/zerolog", ""},
	{"handlers/echo", "handlers", ""},
	{"handlers/handlertest", "handlers httpmsg internal/testutil registry", "for tests alone"},
	{"handlers/ledger", "handlers", ""},
	{"handlers/profile", "handlers internal/logging internal/terminal metrics github.com/cockroachdb/pebble/v2 github.com/rs/zerolog github.com/vbauerster/mpb/v8", ""},
	{"handlers/program", "etcd/discovery handlers internal/cli internal/systemd internal/tuning internal/unixpath nanobus nanobus/busflags registry trace/traceflags", "the glue that all roles share"},
	{"handlers/web", "handlers httpmsg metrics nanobus toggles/requests github.com/rs/zerolog", ""},

	{"terminator", "httpmsg internal/logging metrics nanobus registry terminator/admission terminator/blocking terminator/conns terminator/eventloop terminator/exchange terminator/forwarded terminator/held terminator/http1 terminator/memory trace github.com/rs/zerolog", ""},
	{"terminator/admission", "nanobus", ""},
	{"terminator/blocking", "httpmsg nanobus terminator/conns terminator/exchange terminator/forwarded terminator/http1 terminator/memory", ""},
	{"terminator/conns", "internal/chores metrics terminator/forwarded golang.org/x/sys", ""},
	{"terminator/eventloop", "metrics nanobus terminator/admission terminator/blocking terminator/conns terminator/exchange terminator/http1 terminator/memory golang.org/x/sys", "hands what is unusual to the goroutines of terminator/blocking"},
	{"terminator/exchange", "httpmsg internal/logging metrics nanobus registry terminator/admission terminator/forwarded terminator/http1 terminator/memory terminator/shares trace github.com/cespare/xxhash/v2 github.com/rs/zerolog", ""},
	{"terminator/forwarded", "internal/uri terminator/http1", ""},
	{"terminator/held", "internal/tasks metrics nanobus terminator/exchange terminator/memory", ""},
	{"terminator/http1", "httpmsg internal/uri", ""},
	{"terminator/http1/http1test", "", ""},
	{"terminator/memory", "", "bytes, and whose they are"},
	{"terminator/shares", "httpmsg metrics registry terminator/http1 github.com/cespare/xxhash/v2", "which version, which variant: no I/O"},

	{"bench/chaos", "bench/load bench/report bench/result bench/system internal/process internal/terminal metrics registry github.com/HdrHistogram/hdrhistogram-go", ""},
	{"bench/compare", "bench/report bench/result internal/terminal gonum.org/v1/gonum", ""},
	{"bench/drivers", "bench/load bench/result bench/system internal/process", ""},
	{"bench/load", "internal/process internal/rawhttp internal/wholefile github.com/HdrHistogram/hdrhistogram-go go.yaml.in/yaml/v3 golang.org/x/sys", ""},
	{"bench/peers", "bench/result bench/system internal/process github.com/nats-io/nats.go github.com/valyala/fasthttp", "fasthttp is a peer of the benchmark; the front reads HTTP itself"},
	{"bench/report", "bench/result internal/terminal internal/wholefile", ""},
	{"bench/result", "internal/buildinfo internal/terminal internal/wholefile github.com/HdrHistogram/hdrhistogram-go gonum.org/v1/gonum", ""},
	{"bench/result/resulttest", "bench/result github.com/HdrHistogram/hdrhistogram-go", ""},
	{"bench/rivals", "bench/result internal/wholefile", "its tests import nanobus and mangos: what they compare are libraries"},
	{"bench/scenario", "bench/drivers bench/load bench/peers bench/report bench/result bench/system internal/process internal/wholefile go.yaml.in/yaml/v3", ""},
	{"bench/soak", "bench/load bench/system internal/terminal", ""},
	{"bench/system", "bench/result internal/freeport internal/process metrics gonum.org/v1/gonum", "reads the form in which a program shows its metrics"},

	{"examples", "", "what nanofront new writes"},

	{"cmd/bench", "bench/chaos bench/compare bench/drivers bench/load bench/peers bench/report bench/result bench/scenario bench/soak internal/cli internal/terminal internal/tuning internal/wholefile github.com/HdrHistogram/hdrhistogram-go", ""},
	{"cmd/handler", "handlers handlers/echo handlers/ledger handlers/profile handlers/program handlers/web internal/cli", ""},
	{"cmd/nanofront", "cmd/nanofront/bus cmd/nanofront/dash cmd/nanofront/newproject cmd/nanofront/record cmd/nanofront/register cmd/nanofront/release cmd/nanofront/replay cmd/nanofront/routes cmd/nanofront/status cmd/nanofront/systems cmd/nanofront/targets cmd/nanofront/toggle cmd/nanofront/top cmd/nanofront/up cmd/nanofront/weights etcd/embedded internal/cli internal/tuning", ""},
	{"cmd/nanofront/bus", "cmd/nanofront/listening etcd/discovery httpmsg internal/buildinfo internal/cli internal/terminal nanobus nanobus/busflags nanobus/tap nanobus/wire registry trace github.com/rs/zerolog", ""},
	{"cmd/nanofront/dash", "etcd etcd/discovery etcd/leader internal/admin internal/cli internal/dash/collect internal/dash/merged internal/dash/page internal/dash/view internal/fleet internal/logging internal/tuning metrics registry registry/toggled release", ""},
	{"cmd/nanofront/listening", "internal/buildinfo nanobus nanobus/tap nanobus/wire registry", "what bus tap and record hear"},
	{"cmd/nanofront/newproject", "examples internal/cli registry", ""},
	{"cmd/nanofront/record", "cmd/nanofront/listening etcd/discovery httpmsg internal/buildinfo internal/cli internal/recording internal/terminal nanobus nanobus/busflags nanobus/tap nanobus/wire registry trace github.com/rs/zerolog", ""},
	{"cmd/nanofront/register", "etcd/discovery internal/cli internal/process registry github.com/rs/zerolog", ""},
	{"cmd/nanofront/replay", "cmd/nanofront/bus cmd/nanofront/listening etcd/discovery httpmsg internal/cli internal/rawhttp internal/recording internal/replay internal/terminal nanobus nanobus/busflags github.com/rs/zerolog", ""},
	{"cmd/nanofront/release", "etcd etcd/discovery etcd/leader internal/cli internal/terminal registry release github.com/rs/zerolog", ""},
	{"cmd/nanofront/routes", "etcd etcd/discovery internal/cli internal/terminal registry github.com/rs/zerolog", ""},
	{"cmd/nanofront/overview", "etcd/discovery internal/cli internal/fleet internal/terminal metrics registry", "what status and top show"},
	{"cmd/nanofront/status", "cmd/nanofront/overview etcd/discovery internal/cli internal/terminal github.com/rs/zerolog", ""},
	{"cmd/nanofront/systems", "etcd internal/cli internal/contexts internal/terminal nanobus/busflags github.com/alecthomas/kong", ""},
	{"cmd/nanofront/toggle", "etcd etcd/discovery internal/admin internal/cli internal/terminal registry registry/toggled toggles github.com/rs/zerolog go.yaml.in/yaml/v3", ""},
	{"cmd/nanofront/top", "cmd/nanofront/overview etcd/discovery internal/cli internal/terminal charm.land/bubbletea/v2 github.com/rs/zerolog", "alone draws a live screen"},
	{"cmd/nanofront/up", "cmd/nanofront/routes etcd etcd/embedded internal/admin internal/buildinfo internal/cli internal/contexts internal/logging internal/supervisor internal/terminal internal/tuning metrics nanobus/busflags registry github.com/rs/zerolog", ""},
	{"cmd/nanofront/weights", "etcd etcd/discovery internal/cli registry github.com/rs/zerolog", ""},
	{"cmd/terminator", "etcd etcd/discovery internal/admin internal/buildinfo internal/cli internal/handover internal/lastknown internal/logging internal/systemd internal/tuning internal/unixpath metrics nanobus/busflags registry terminator trace/traceflags", ""},
	{"cmd/nanofront/targets", "etcd etcd/discovery internal/admin internal/cli internal/fleet internal/logging internal/wholefile registry github.com/rs/zerolog", ""},
}

// withoutStandard are the parts of the standard library, and all below them, that a package
// does without.
var withoutStandard = []row{
	{"terminator/http1", "io os", "the grammar does no I/O"},
}
