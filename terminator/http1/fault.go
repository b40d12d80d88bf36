package http1

// Fault is what is wrong with a request: an index into faults. It is one byte, as the check of each
// line returns one.
type Fault uint8

// The last three aren't the scanner's but for whoever reads: what the bytes that came don't show.
const (
	OK Fault = iota // no fault
	FaultBlankLines
	FaultLFBefore
	FaultCRBefore
	FaultBareCR
	FaultBareLF
	FaultControl
	FaultNoHost
	FaultTwoFramings
	FaultSizeLong
	FaultSizeMissing
	FaultSizeByte
	FaultSizeCR
	FaultChunkLong
	FaultChunkCR
	FaultExtension
	FaultExtensionsLarge
	FaultTrailer
	FaultTrailersMany
	FaultTrailersLarge
	FaultLastCR
	FaultLineLong
	FaultHeadLarge
	FaultBodyLarge
	FaultMethod
	FaultRequestLine
	FaultVersion
	FaultTargetByte
	FaultAsterisk
	FaultTarget
	FaultAuthority
	FaultFold
	FaultFieldName
	FaultMimicLength
	FaultMimicEncoding
	FaultTwoHosts
	FaultHost
	FaultHostDiffers
	FaultTwoLengths
	FaultLength
	FaultEncoding10
	FaultTwoEncodings
	FaultEncoding
	FaultVersionUnknown
	FaultMethodUnknown
	FaultTargetLong
	FaultManyFields
	FaultNameLong
	FaultExpect
	FaultCoding
	FaultEarly
	FaultHeadSlow
	FaultBodySlow
)

// faults is the one table from fault to status and reason. A reason is short and constant: shown to
// the client and counted by.
var faults = [...]struct {
	status int
	reason string
}{
	FaultBlankLines:      {400, "empty lines before the request line"},
	FaultLFBefore:        {400, "bare LF before the request line"},
	FaultCRBefore:        {400, "bare CR before the request line"},
	FaultBareCR:          {400, "bare CR in the head"},
	FaultBareLF:          {400, "bare LF in the head"},
	FaultControl:         {400, "control byte in the head"},
	FaultNoHost:          {400, "missing Host"},
	FaultTwoFramings:     {400, "Content-Length with Transfer-Encoding"},
	FaultSizeLong:        {400, "chunk size too long"},
	FaultSizeMissing:     {400, "chunk size missing"},
	FaultSizeByte:        {400, "invalid byte after chunk size"},
	FaultSizeCR:          {400, "bare CR after chunk size"},
	FaultChunkLong:       {400, "chunk longer than its size"},
	FaultChunkCR:         {400, "bare CR after chunk"},
	FaultExtension:       {400, "malformed chunk extension"},
	FaultExtensionsLarge: {431, "chunk extensions too large"},
	FaultTrailer:         {400, "malformed trailer section"},
	FaultTrailersMany:    {431, "too many trailer fields"},
	FaultTrailersLarge:   {431, "trailer section too large"},
	FaultLastCR:          {400, "bare CR after last chunk"},
	FaultLineLong:        {414, "request line too long"},
	FaultHeadLarge:       {431, "header section too large"},
	FaultBodyLarge:       {413, "body too large"},
	FaultMethod:          {400, "invalid method"},
	FaultRequestLine:     {400, "malformed request line"},
	FaultVersion:         {400, "malformed HTTP version"},
	FaultTargetByte:      {400, "invalid byte in the request target"},
	FaultAsterisk:        {400, "asterisk as request target"},
	FaultTarget:          {400, "invalid request target"},
	FaultAuthority:       {400, "invalid authority in the request target"},
	FaultFold:            {400, "folded header field"},
	FaultFieldName:       {400, "invalid header field name"},
	FaultMimicLength:     {400, "header field that mimics Content-Length"},
	FaultMimicEncoding:   {400, "header field that mimics Transfer-Encoding"},
	FaultTwoHosts:        {400, "more than one Host"},
	FaultHost:            {400, "invalid Host"},
	FaultHostDiffers:     {400, "Host differs from the request target"},
	FaultTwoLengths:      {400, "more than one Content-Length"},
	FaultLength:          {400, "invalid Content-Length"},
	FaultEncoding10:      {400, "Transfer-Encoding in HTTP/1.0"},
	FaultTwoEncodings:    {400, "more than one Transfer-Encoding"},
	FaultEncoding:        {400, "invalid Transfer-Encoding"},
	FaultVersionUnknown:  {505, "HTTP version not supported"},
	FaultMethodUnknown:   {501, "method not implemented"},
	FaultTargetLong:      {414, "request target too long"},
	FaultManyFields:      {431, "too many header fields"},
	FaultNameLong:        {431, "header field name too long"},
	FaultExpect:          {417, "expectation not supported"},
	FaultCoding:          {501, "transfer coding not implemented"},
	FaultEarly:           {400, "request ended early"},
	FaultHeadSlow:        {408, "header section took too long"},
	FaultBodySlow:        {408, "body took too long"},
}

// Response is what the client of a refused request is told.
func (f Fault) Response() (status int, reason string) {
	return faults[f].status, faults[f].reason
}
