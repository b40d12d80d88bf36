-- Before this stands the table mix: what is sent. Its texts may have {rand:LOW-HIGH} and {seq:LOW-HIGH} in them.

-- Requests are made before the run, and sent in turn: made during it, they would cost as much as all the rest of wrk.
local PREPARED = 4096

local seq = 0
local function fill(text)
  if not text then return nil end
  return (text:gsub("{(%a+):(%d+)%-(%d+)}", function(kind, low, high)
    low, high = tonumber(low), tonumber(high)
    if kind == "rand" then return tostring(math.random(low, high)) end
    if kind == "seq" then
      seq = seq + 1
      return tostring(low + (seq - 1) % (high - low + 1))
    end
  end))
end

local function same(text) return not text or not text:find("{%a+:%d+%-%d+}") end

local function fixed(entry)
  for _, value in pairs(entry.headers) do
    if not same(value) then return false end
  end
  return same(entry.path) and same(entry.body)
end

local function make(entry)
  local headers = {}
  for name, value in pairs(entry.headers) do headers[name] = fill(value) end
  return wrk.format(entry.method, fill(entry.path), headers, fill(entry.body))
end

local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

local prepared, at = {}, 0
function init(args)
  math.randomseed(number or 1)
  for _, entry in ipairs(mix) do entry.headers["Host"] = wrk.headers["Host"] end
  if #mix == 1 and fixed(mix[1]) then
    prepared[1] = make(mix[1])
    return
  end
  local total = 0
  for _, entry in ipairs(mix) do total = total + entry.weight end
  for i = 1, PREPARED do
    local x = math.random() * total
    for k, entry in ipairs(mix) do
      x = x - entry.weight
      if x < 0 or k == #mix then
        prepared[i] = make(entry)
        break
      end
    end
  end
end

function request()
  at = at % #prepared + 1
  return prepared[at]
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'nanofront-bench {"requests":%d,"duration":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,' ..
    '"mean":%.3f,"min":%d,"max":%d,"p50":%d,"p75":%d,"p90":%d,"p99":%d,"p999":%d,"p4":%d}\n',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency.mean, latency.min, latency.max, latency:percentile(50), latency:percentile(75), latency:percentile(90),
    latency:percentile(99), latency:percentile(99.9), latency:percentile(99.99)))
end
