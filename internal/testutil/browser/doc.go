// Package browser drives a headless Chromium in tests, over its pipe.
//
//	b := browser.Start(t)
//	p := b.Open(url)
//	p.Size(420, 900, "dark")
//	p.Eval(`document.title`)
//	p.Shot("420-dark") // a picture, kept if $NANOFRONT_SHOTS names a folder
//
// A test is skipped where there is no Chromium. The browser ends with its test.
package browser
