"""ESGF on this machine: an index, in the forms of Globus and of Solr, and data nodes over a tree of files."""

import hashlib
import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

FACETS = (
    *("mip_era", "activity_drs", "institution_id", "source_id", "experiment_id"),
    *("member_id", "table_id", "variable_id", "grid_label"),
)
TEMPLATE = "%(root)s/" + "/".join(f"%({name})s" for name in (*FACETS, "version"))
PAGE = 7  # documents in one answer, so that paging is tested


class Esgf:
    """Files, faults and requests of the server.

    Attributes
    ----------
    nodes : list of str
        Names of the data nodes.
    flags : dict
        What single versions are called: ``{"v20210101": {"retracted": True}}``.
    faults : dict
        What a node does wrong with a file: ``{("a", name): fault}``, where a fault is an HTTP status, ``cut`` (it ends
        in the middle, once), ``no ranges``, ``wrong`` (other bytes) or ``slow``.
    requests : list of (str, str, str or None)
        Node, name and range of every requested file.
    """

    def __init__(self, root):
        self.root, self.nodes, self.flags, self.faults = root, ["a", "b"], {}, {}
        self.requests, self.searches, self.address = [], 0, ""
        self.waiting = threading.Event()

    def documents(self):
        for version in sorted(path for path in (self.root / "CMIP6").rglob("v*") if path.is_dir()):
            *facets, number = version.relative_to(self.root).parts
            name = ".".join((*facets, number))
            for node in self.nodes:
                common = {facet: [value] for facet, value in zip(FACETS, facets, strict=True)}
                common |= {"project": ["CMIP6"], "data_node": node, "latest": True, "retracted": False}
                common |= self.flags.get(number, {})
                yield common | {"type": "Dataset", "id": f"{name}|{node}", "version": number[1:]}
                for file in sorted(version.glob("*.nc")):
                    yield common | {
                        "type": "File",
                        "id": f"{name}.{file.name}|{node}",
                        "dataset_id": f"{name}|{node}",
                        "title": file.name,
                        "version": "1",
                        "directory_format_template_": [TEMPLATE],
                        "checksum": [hashlib.sha256(file.read_bytes()).hexdigest()],
                        "checksum_type": ["SHA256"],
                        "size": file.stat().st_size,
                        "url": [
                            f"{self._host(node)}/{node}/{file.relative_to(self.root)}|application/netcdf|HTTPServer",
                            f"{self.address}/dap/{file.name}.html|application/opendap-html|OPENDAP",
                        ],
                    }

    def _host(self, node):
        return self.address.replace("127.0.0.1", "localhost") if node == "b" else self.address

    def search(self, conditions):
        self.searches += 1
        return [document for document in self.documents() if _fits(document, conditions)]

    def fetched(self):
        """Names of files of which more than a header was requested."""
        return sorted(name for _, name, requested in self.requests if requested is None or requested.endswith("-"))


def _fits(document, conditions):
    for name, values in conditions.items():
        there = document.get(name, [])
        there = there if isinstance(there, list) else [there]
        if not {str(value).lower() for value in there} & {str(value).lower() for value in values}:
            return False
    return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    @property
    def esgf(self):
        return self.server.esgf

    def do_POST(self):  # Globus: a search that is scrolled
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        conditions = {part["field_name"]: part["values"] for part in query["filters"]}
        found, start = self.esgf.search(conditions), int(query.get("marker") or 0)
        page = found[start : start + PAGE]
        more = start + PAGE < len(found)
        entries = [{"subject": part["id"], "entries": [{"content": part}]} for part in page]
        self.answer({"total": len(found), "gmeta": entries, "has_next_page": more, "marker": str(start + PAGE)})

    def do_GET(self):
        parts = urlsplit(self.path)
        if parts.path == "/esg-search/search":
            query = parse_qs(parts.query)
            start, limit = int(query.pop("offset", ["0"])[0]), int(query.pop("limit", ["10"])[0])
            conditions = {name: values for name, values in query.items() if name not in ("format", "distrib")}
            found = self.esgf.search(conditions)
            page = found[start : start + min(limit, PAGE)]
            self.answer({"response": {"numFound": len(found), "start": start, "docs": page}})
            return
        node, _, path = parts.path.strip("/").partition("/")
        self.give(node, self.esgf.root / path)

    def give(self, node, file):
        requested = self.headers.get("Range")
        self.esgf.requests.append((node, file.name, requested))
        fault = self.esgf.faults.get((node, file.name)) or self.esgf.faults.get((node, "*"))
        if isinstance(fault, int):
            self.send_error(fault)
            return
        content = file.read_bytes()
        first, last = 0, len(content) - 1
        if requested and fault != "no ranges":
            start, _, stop = requested.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(stop or last), last)
            if first > last:
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        else:
            self.send_response(200)
        piece = content[first : last + 1]
        if fault == "wrong":
            piece = piece[:-1] + bytes([piece[-1] ^ 1])
        self.send_header("Content-Length", str(len(piece)))
        self.end_headers()
        header_only = requested is not None and not requested.endswith("-")
        if fault == "slow" and not header_only:
            self.wfile.write(piece[:20000])
            self.wfile.flush()
            self.esgf.waiting.wait(30)
            self.wfile.write(piece[20000:])
        elif fault == "cut" and not header_only:
            del self.esgf.faults[node, file.name]
            self.wfile.write(piece[: len(piece) // 2])
            self.close_connection = True
        else:
            self.wfile.write(piece)

    def answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # clients may leave in the middle
            super().handle_error(request, client_address)


@contextmanager
def serving(root):
    """Serve the tree below a folder and yield the state of the server."""
    server = Server(("127.0.0.1", 0), Handler)
    server.esgf = esgf = Esgf(root)
    esgf.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield esgf
    finally:
        esgf.waiting.set()
        server.shutdown()
        server.server_close()
        thread.join()
