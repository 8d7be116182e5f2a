package outbox

import (
	"os"
	"testing"

	"tocsin/ledger/ledgertest"
)

func TestMain(m *testing.M) { os.Exit(ledgertest.Main(m)) }

func TestAgainOnPostgres(t *testing.T) { ledgertest.Again(t) }
