package echo

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"unicode/utf8"

	"nanofront/handlers"
)

// MaxBody is how much of a body is shown. As JSON it is up to six times as
// long in the worst case, and must fit a frame then.
const MaxBody = 128 << 10

// description is the answer's JSON.
type description struct {
	Method        string  `json:"method"`
	Scheme        string  `json:"scheme"`
	Host          string  `json:"host"`
	Path          string  `json:"path"`
	Query         string  `json:"query"`
	Client        string  `json:"client"`
	Headers       headers `json:"headers"`
	Body          string  `json:"body"`
	BodyBytes     int     `json:"body_bytes"`
	BodyEncoding  string  `json:"body_encoding,omitempty"`
	BodyTruncated bool    `json:"body_truncated,omitempty"`
}

// describe answers with the request as JSON.
func describe(x *handlers.Exchange) error {
	req, resp := x.Request(), x.Response()
	body, total, err := beginning(x.Body())
	if err != nil {
		return err
	}
	d := description{
		Method: string(req.Method), Scheme: string(req.Scheme), Host: string(req.Host), Path: string(req.Path),
		Query: string(req.Query), Client: string(req.Client), Headers: collect(req), BodyBytes: total,
	}
	text := utf8.Valid(body)
	if total > len(body) {
		d.BodyTruncated = true
		for cut := len(body) - utf8.UTFMax; !text && len(body) > cut; { // cut through a character
			body = body[:len(body)-1]
			text = utf8.Valid(body)
		}
		if !text {
			body = body[:MaxBody]
		}
	}
	if text {
		d.Body = string(body)
	} else {
		d.Body, d.BodyEncoding = base64.StdEncoding.EncodeToString(body), "base64"
	}
	resp.Add(headerType, typeJSON)
	enc := json.NewEncoder(resp)
	enc.SetEscapeHTML(false)
	return enc.Encode(&d)
}

// beginning reads all of a body and keeps what is to be shown of it.
func beginning(r io.Reader) (body []byte, total int, err error) {
	body, err = io.ReadAll(io.LimitReader(r, MaxBody))
	if err != nil {
		return nil, 0, err
	}
	rest, err := io.Copy(io.Discard, r)
	return body, len(body) + int(rest), err
}

// header is one name and its values.
type header struct {
	name   string
	values []string
}

// headers are a JSON object whose order is that of arrival.
type headers []header

func collect(req *handlers.Request) headers {
	list := make(headers, 0, len(req.Header))
next:
	for _, f := range req.Header {
		for i := range list {
			if list[i].name == string(f.Name) {
				list[i].values = append(list[i].values, string(f.Value))
				continue next
			}
		}
		list = append(list, header{name: string(f.Name), values: []string{string(f.Value)}})
	}
	return list
}

// MarshalJSON implements json.Marshaler.
func (h headers) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i := range h {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(h[i].name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(h[i].values); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil // the line ends in it are compacted away
}
