package terminator

// guardFault is what the guard has against a request: an index into guardFaults. It is one byte, as the check of each line
// returns one.
type guardFault uint8

const (
	guardOK guardFault = iota
	guardFaultBlankLines
	guardFaultLFBefore
	guardFaultCRBefore
	guardFaultBareCR
	guardFaultBareLF
	guardFaultControl
	guardFaultNoHost
	guardFaultTwoFramings
	guardFaultSizeLong
	guardFaultSizeMissing
	guardFaultSizeByte
	guardFaultSizeCR
	guardFaultChunkLong
	guardFaultChunkCR
	guardFaultTrailer
	guardFaultLastCR
	guardFaultLineLong
	guardFaultHeadLarge
	guardFaultBodyLarge
	guardFaultMethod
	guardFaultRequestLine
	guardFaultVersion
	guardFaultTargetByte
	guardFaultAsterisk
	guardFaultTarget
	guardFaultAuthority
	guardFaultFold
	guardFaultFieldName
	guardFaultMimicLength
	guardFaultMimicEncoding
	guardFaultTwoHosts
	guardFaultHost
	guardFaultHostDiffers
	guardFaultTwoLengths
	guardFaultLength
	guardFaultEncoding10
	guardFaultTwoEncodings
	guardFaultEncoding
	guardFaultVersionUnknown
	guardFaultMethodUnknown
	guardFaultTargetLong
	guardFaultManyFields
	guardFaultNameLong
	guardFaultExpect
	guardFaultCoding
	guardFaultEarly
	guardFaultHeadSlow
	guardFaultBodySlow
)

// guardFaults is the one table from fault to status and reason. A reason is short and constant: shown to the
// client and counted by.
var guardFaults = [...]struct {
	status int
	reason string
}{
	guardFaultBlankLines:     {400, "empty lines before the request line"},
	guardFaultLFBefore:       {400, "bare LF before the request line"},
	guardFaultCRBefore:       {400, "bare CR before the request line"},
	guardFaultBareCR:         {400, "bare CR in the head"},
	guardFaultBareLF:         {400, "bare LF in the head"},
	guardFaultControl:        {400, "control byte in the head"},
	guardFaultNoHost:         {400, "missing Host"},
	guardFaultTwoFramings:    {400, "Content-Length with Transfer-Encoding"},
	guardFaultSizeLong:       {400, "chunk size too long"},
	guardFaultSizeMissing:    {400, "chunk size missing"},
	guardFaultSizeByte:       {400, "invalid byte after chunk size"},
	guardFaultSizeCR:         {400, "bare CR after chunk size"},
	guardFaultChunkLong:      {400, "chunk longer than its size"},
	guardFaultChunkCR:        {400, "bare CR after chunk"},
	guardFaultTrailer:        {400, "trailers are not accepted"},
	guardFaultLastCR:         {400, "bare CR after last chunk"},
	guardFaultLineLong:       {414, "request line too long"},
	guardFaultHeadLarge:      {431, "header section too large"},
	guardFaultBodyLarge:      {413, "body too large"},
	guardFaultMethod:         {400, "invalid method"},
	guardFaultRequestLine:    {400, "malformed request line"},
	guardFaultVersion:        {400, "malformed HTTP version"},
	guardFaultTargetByte:     {400, "invalid byte in the request target"},
	guardFaultAsterisk:       {400, "asterisk as request target"},
	guardFaultTarget:         {400, "invalid request target"},
	guardFaultAuthority:      {400, "invalid authority in the request target"},
	guardFaultFold:           {400, "folded header field"},
	guardFaultFieldName:      {400, "invalid header field name"},
	guardFaultMimicLength:    {400, "header field that mimics Content-Length"},
	guardFaultMimicEncoding:  {400, "header field that mimics Transfer-Encoding"},
	guardFaultTwoHosts:       {400, "more than one Host"},
	guardFaultHost:           {400, "invalid Host"},
	guardFaultHostDiffers:    {400, "Host differs from the request target"},
	guardFaultTwoLengths:     {400, "more than one Content-Length"},
	guardFaultLength:         {400, "invalid Content-Length"},
	guardFaultEncoding10:     {400, "Transfer-Encoding in HTTP/1.0"},
	guardFaultTwoEncodings:   {400, "more than one Transfer-Encoding"},
	guardFaultEncoding:       {400, "invalid Transfer-Encoding"},
	guardFaultVersionUnknown: {505, "HTTP version not supported"},
	guardFaultMethodUnknown:  {501, "method not implemented"},
	guardFaultTargetLong:     {414, "request target too long"},
	guardFaultManyFields:     {431, "too many header fields"},
	guardFaultNameLong:       {431, "header field name too long"},
	guardFaultExpect:         {417, "expectation not supported"},
	guardFaultCoding:         {501, "transfer coding not implemented"},
	guardFaultEarly:          {400, "request ended early"},
	guardFaultHeadSlow:       {408, "header section took too long"},
	guardFaultBodySlow:       {408, "body took too long"},
}

// response is what the client of a refused request is told.
func (f guardFault) response() (status int, reason string) {
	return guardFaults[f].status, guardFaults[f].reason
}
