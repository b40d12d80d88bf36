package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"unicode"
	"unicode/utf8"

	"nanofront/handlers"
)

var headerRetry = []byte("retry-after")

// refuse answers with an error: as a page for clients that prefer one, else
// as JSON. What is nobody's business is left to the runtime, which logs it.
func refuse(x *handlers.Exchange, err error) {
	answer := x.AnswerTo(err)
	switch {
	case answer == nil:
		x.Fail(err)
	case errors.Is(err, handlers.ErrUnavailable):
		answerError(x, answer.Status, answer.Text, nil, []byte("1"))
	default:
		answerError(x, answer.Status, answer.Text, nil, nil)
	}
}

// fail answers for a call that has no answer.
func fail(x *handlers.Exchange, err error) { refuse(x, translate(err, string(x.Request().Method))) }

func notAllowed(x *handlers.Exchange, allow []byte) {
	answerError(x, 405, "this method is not possible here", allow, nil)
}

// passOn answers as the profile service did, with an error.
func passOn(x *handlers.Exchange, from *handlers.Response) {
	var body struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(from.Body, &body) != nil || body.Error == "" {
		body.Error = http.StatusText(from.Status)
	}
	answerError(x, from.Status, body.Error, from.Header.Get("allow"), from.Header.Get("retry-after"))
}

func answerError(x *handlers.Exchange, status int, text string, allow, retry []byte) {
	req, resp := x.Request(), x.Response()
	resp.Reset() // what was there for a better end
	resp.Status = status
	resp.Add(headerVary, varyAccept)
	if allow != nil {
		resp.Set("allow", string(allow))
	}
	if retry != nil {
		resp.Add(headerRetry, []byte(string(retry)))
	}
	var err error
	if req.Header.PrefersHTML() {
		addPageHeaders(resp)
		err = errorPage(resp, status, text, again(req, status))
	} else {
		resp.Add(headerType, typeJSON)
		var quoted []byte
		quoted, err = json.Marshal(text)
		resp.Body = append(append(append(resp.Body, `{"error":`...), quoted...), '}', '\n')
	}
	if err != nil {
		x.Fail(err)
		return
	}
	x.Done()
}

// again is where to try it once more, if that may help.
func again(req *handlers.Request, status int) string {
	if status < 500 || !isRead(req.Method) {
		return ""
	}
	target := string(req.Path)
	if len(req.Query) > 0 {
		target += "?" + string(req.Query)
	}
	return target
}

// headings say what a status is.
var headings = map[int]string{
	400: "That can't be asked for",
	404: "There is nothing here",
	405: "That can't be done here",
	412: "Somebody else was faster",
	413: "That is too long",
	428: "Changed from which version?",
	502: "That broke off",
	503: "Not available at the moment",
	504: "That took too long",
}

// sentence is a text of ours as one on a page.
func sentence(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[n:] + "."
}
