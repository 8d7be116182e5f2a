package main

import (
	"bytes"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bill returns the bill of materials as CycloneDX in JSON.
func (l *linked) bill(when time.Time) ([]byte, error) {
	own := "pkg:golang/tocsin@" + l.version
	bom := cdx.NewBOM()
	// An identifier that is different where the program is, and nowhere else.
	h := l.sha256
	bom.SerialNumber = "urn:uuid:" + strings.Join([]string{h[:8], h[8:12], "8" + h[13:16], "8" + h[17:20], h[20:32]}, "-")
	bom.Metadata = &cdx.Metadata{
		Timestamp: when.Format(time.RFC3339),
		Component: &cdx.Component{
			BOMRef: own, Type: cdx.ComponentTypeApplication, Name: "tocsin", Version: l.version, PackageURL: own,
			Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: l.sha256}},
			Licenses:   &cdx.Licenses{{License: &cdx.License{ID: "MIT"}}},
			Properties: &[]cdx.Property{{Name: "platform", Value: l.platform}},
		},
	}
	var components []cdx.Component
	var refs []string
	for _, m := range l.modules {
		ref := "pkg:golang/" + m.path + "@" + m.version
		licences := make(cdx.Licenses, len(m.ids))
		for i, id := range m.ids {
			licences[i].License = &cdx.License{ID: id}
		}
		components = append(components, cdx.Component{
			BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: m.path, Version: m.version, PackageURL: ref, Licenses: &licences,
		})
		refs = append(refs, ref)
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: own, Dependencies: &refs}}
	var b bytes.Buffer
	encoder := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true)
	if err := encoder.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
