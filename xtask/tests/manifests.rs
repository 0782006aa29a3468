//! The manifests of packaging/kubernetes have no field that Kubernetes does not know, each value has the right type, and
//! they fit each other.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaimTemplate};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_yaml_ng::{Deserializer, Value};

/// A resource of the Prometheus operator.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Custom<T> {
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    spec: T,
}

/// What this project uses of a PodMonitor.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct PodMonitorSpec {
    selector: LabelSelector,
    job_label: String,
    pod_metrics_endpoints: Vec<Endpoint>,
}

#[derive(Deserialize, Serialize)]
struct Endpoint {
    port: String,
    interval: String,
    relabelings: Vec<Relabeling>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Relabeling {
    source_labels: Vec<String>,
    target_label: String,
}

/// What this project uses of kustomize's Kustomization and Component.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kustomization {
    api_version: String,
    kind: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    patches: Vec<Patch>,
}

/// A strategic merge patch, in a file or here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    path: Option<String>,
    patch: Option<String>,
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/kubernetes");
    folder.canonicalize().unwrap()
}

/// The manifests, also those in folders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let below = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    };
    entries.flat_map(below).collect()
}

/// The documents of a manifest.
fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let all = Deserializer::from_str(&text).map(Value::deserialize);
    all.map(Result::unwrap).collect()
}

fn documents() -> Vec<Value> {
    files(&folder()).iter().flat_map(|it| read(it)).collect()
}

/// The one document of this kind in a manifest.
fn of_kind(name: &str, kind: &str) -> Value {
    let documents = read(&folder().join(name));
    documents.into_iter().find(|it| it["kind"] == kind).unwrap()
}

/// What a DaemonSet says about its pods.
fn pod(name: &str) -> Value {
    of_kind(name, "DaemonSet")["spec"]["template"]["spec"].clone()
}

/// The names of a list's objects.
fn names(list: &Value) -> BTreeSet<&str> {
    let all = list.as_sequence().into_iter().flatten();
    all.map(|it| it["name"].as_str().unwrap()).collect()
}

/// Reads a document as Kubernetes does. A field that it does not know is lost on the way back.
#[track_caller]
fn assert_is<T: DeserializeOwned + Serialize>(document: &Value) {
    let typed: T = serde_yaml_ng::from_value(document.clone()).unwrap();
    assert_has(&serde_yaml_ng::to_value(typed).unwrap(), document);
}

/// Whether `whole` has each field of `part`, with its value.
#[track_caller]
fn assert_has(whole: &Value, part: &Value) {
    match part {
        Value::Mapping(fields) => {
            for (name, field) in fields {
                let known = whole.get(name);
                assert_has(known.unwrap_or_else(|| panic!("no field {name:?}")), field);
            }
        }
        Value::Sequence(all) => {
            for (index, one) in all.iter().enumerate() {
                assert_has(&whole[index], one);
            }
        }
        value => assert_eq!(whole, value),
    }
}

#[test]
fn manifests_read_by_kubernetes_types_then_each_field_is_known() {
    let documents = documents();
    assert_eq!(documents.len(), 22);
    for document in documents {
        match document["kind"].as_str().unwrap() {
            "ConfigMap" => assert_is::<ConfigMap>(&document),
            "DaemonSet" => assert_is::<DaemonSet>(&document),
            "Pod" => assert_is::<Pod>(&document),
            "PodMonitor" => assert_is::<Custom<PodMonitorSpec>>(&document),
            // Of what promtool checks.
            "PrometheusRule" => assert_is::<Custom<Value>>(&document),
            "DeviceClass" => assert_is::<DeviceClass>(&document),
            "ResourceClaimTemplate" => assert_is::<ResourceClaimTemplate>(&document),
            "Kustomization" | "Component" => {
                serde_yaml_ng::from_value::<Kustomization>(document).unwrap();
            }
            kind => panic!("{kind}"),
        }
    }
}

#[test]
#[should_panic(expected = "no field String(\"hostPid\")")]
fn manifest_with_a_slip_of_the_pen_then_seen() {
    let mut set = of_kind("daemonset.yaml", "DaemonSet");
    set["spec"]["template"]["spec"]["hostPid"] = true.into();
    assert_is::<DaemonSet>(&set);
}

#[test]
fn kustomizations_then_each_file_is_named_and_exists() {
    let all = files(&folder());
    let (own, manifests): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|it| it.ends_with("kustomization.yaml"));
    assert_eq!(own.len(), 7);
    let mut named = BTreeSet::new();
    for path in own {
        let is_component = ["nmos", "mxl", "monitoring"]
            .iter()
            .any(|it| path.parent().unwrap().ends_with(it));
        let text = fs::read_to_string(&path).unwrap();
        let read: Kustomization = serde_yaml_ng::from_str(&text).unwrap();
        let (kind, version) = match is_component {
            true => ("Component", "v1alpha1"),
            false => ("Kustomization", "v1beta1"),
        };
        assert_eq!(read.kind, kind, "{path:?}");
        assert_eq!(
            read.api_version,
            format!("kustomize.config.k8s.io/{version}")
        );
        let mut names = read.resources;
        for patch in read.patches {
            assert!(patch.path.is_some() != patch.patch.is_some(), "{path:?}");
            names.extend(patch.path);
            if let Some(text) = patch.patch {
                let patch: Value = serde_yaml_ng::from_str(&text).unwrap();
                assert_eq!(patch["kind"], "DaemonSet");
            }
        }
        for name in names {
            // kustomize takes folders from anywhere, and files from its own folder only.
            let file = path.with_file_name(&name);
            let file = file
                .canonicalize()
                .unwrap_or_else(|e| panic!("{file:?}: {e}"));
            assert!(file.is_dir() || file.parent() == path.parent(), "{file:?}");
            named.insert(file);
        }
        // The switched-off components are there, too.
        let components = text
            .lines()
            .filter_map(|it| it.strip_prefix("#components: ["));
        for name in components.flat_map(|it| it.trim_end_matches(']').split(", ")) {
            let folder = path.with_file_name(name);
            assert!(folder.join("kustomization.yaml").exists(), "{folder:?}");
        }
    }
    for path in manifests {
        assert!(named.contains(&path), "no kustomization has {path:?}");
    }
}

/// A sidecar has the daemon's socket, volumes that are there, numbers that the image names, and no right.
fn check_sidecar(file: &str) -> Value {
    let pod_of_node = pod(file);
    let container = &pod_of_node["containers"][0];
    for base in ["daemonset.yaml", "sriov/daemonset.yaml"] {
        let daemon = pod(base);
        let mut volumes = names(&daemon["volumes"]);
        volumes.extend(names(&pod_of_node["volumes"]));
        let mounts = &container["volumeMounts"];
        assert!(names(mounts).is_subset(&volumes), "{base}: {mounts:?}");
        let all = daemon["containers"][0]["volumeMounts"].as_sequence();
        assert!(all.unwrap().contains(&mounts[0]), "{base}: the socket");
    }
    let image = packaging("container/Containerfile");
    let security = &container["securityContext"];
    for (part, value) in [
        ("groupadd --gid", &security["runAsGroup"]),
        (
            "groupadd --gid",
            &pod_of_node["securityContext"]["supplementalGroups"][0],
        ),
        ("useradd --uid", &security["runAsUser"]),
    ] {
        if let Some(number) = value.as_u64() {
            let part = format!("{part} {number} ");
            assert!(image.contains(&part), "{part}");
        }
    }
    assert_eq!(security["capabilities"]["drop"][0], "ALL");
    assert!(security["capabilities"].get("add").is_none());
    container.clone()
}

fn packaging(name: &str) -> String {
    fs::read_to_string(folder().join("..").join(name)).unwrap()
}

#[test]
fn sidecar_then_its_volumes_numbers_and_port_are_there() {
    let container = check_sidecar("nmos/sidecar.yaml");
    // The default, which no setting of the sidecar changes.
    let port = container["ports"][0]["containerPort"].as_u64().unwrap();
    let settings = packaging("nmos.toml");
    assert!(settings.contains(&format!("#listen = \"0.0.0.0:{port}\"")));
    let own = of_kind("nmos/settings.yaml", "ConfigMap");
    let own = own["data"]["nmos.toml"].as_str().unwrap();
    assert!(!own.contains("listen"), "{own}");
}

#[test]
fn sidecar_of_mxl_then_its_domain_and_library_are_mounted() {
    let container = check_sidecar("mxl/sidecar.yaml");
    let mounts = container["volumeMounts"].as_sequence().unwrap();
    let mounts: Vec<_> = mounts
        .iter()
        .map(|it| it["mountPath"].as_str().unwrap())
        .collect();
    let settings = of_kind("mxl/settings.yaml", "ConfigMap");
    let settings = settings["data"]["mxl.toml"].as_str().unwrap();
    let library = settings.split('"').nth(1).unwrap();
    assert!(
        mounts
            .iter()
            .any(|it| library.starts_with(&format!("{it}/")))
    );
    // The default, which no setting of the sidecar changes.
    assert!(!settings.contains("domain"), "{settings}");
    let domain = packaging("mxl.toml");
    let domain = mounts
        .iter()
        .any(|it| domain.contains(&format!("#domain = \"{it}\"")));
    assert!(domain, "{mounts:?}");
}

#[test]
fn monitoring_then_port_job_and_rules_are_those_that_ship() {
    let monitor = of_kind("monitoring/podmonitor.yaml", "PodMonitor");
    let (spec, endpoint) = (&monitor["spec"], &monitor["spec"]["podMetricsEndpoints"][0]);
    let port = &pod("monitoring/port.yaml")["containers"][0]["ports"][0];
    assert_eq!(endpoint["port"], port["name"]);
    let listen = format!(
        "#listen = \"0.0.0.0:{}\"",
        port["containerPort"].as_u64().unwrap()
    );
    for base in ["daemonset.yaml", "sriov/daemonset.yaml"] {
        let labels = &of_kind(base, "DaemonSet")["spec"]["template"]["metadata"]["labels"];
        assert_has(labels, &spec["selector"]["matchLabels"]);
        // The job of the rules.
        assert_eq!(labels[&spec["jobLabel"]], "onair");
        let config = &of_kind(base, "ConfigMap")["data"]["onaird.toml"];
        assert!(config.as_str().unwrap().contains(&listen), "{base}");
    }
    let shipped = read(&folder().join("../prometheus/onair.rules.yml"));
    let rules = of_kind("monitoring/rules.yaml", "PrometheusRule");
    assert_eq!(
        rules["spec"], shipped[0],
        "the file says how to copy the rules"
    );
}

#[test]
fn client_then_the_daemons_folder_and_group_and_no_right() {
    let client = of_kind("client/pod.yaml", "Pod")["spec"].clone();
    let daemon = pod("daemonset.yaml");
    let run = |pod: &Value| {
        let volumes = pod["volumes"].as_sequence().unwrap().iter();
        let mut run = volumes.filter(|it| it["name"] == "run");
        run.next().unwrap()["hostPath"]["path"].clone()
    };
    assert_eq!(run(&client), run(&daemon));
    assert_eq!(client["nodeSelector"], daemon["nodeSelector"]);
    let container = &client["containers"][0];
    let mounts = daemon["containers"][0]["volumeMounts"].as_sequence();
    assert!(mounts.unwrap().contains(&container["volumeMounts"][0]));
    let image = fs::read_to_string(folder().join("../container/Containerfile")).unwrap();
    let group = client["securityContext"]["supplementalGroups"][0].as_u64();
    assert!(image.contains(&format!("groupadd --gid {} onair ", group.unwrap())));
    let security = &container["securityContext"];
    assert_eq!(security["capabilities"]["drop"][0], "ALL");
    assert!(security["capabilities"].get("add").is_none());
}

#[test]
fn device_claimed_then_claim_class_and_container_agree() {
    let daemon = pod("dra/daemonset.yaml");
    let claim = of_kind("dra/claim.yaml", "ResourceClaimTemplate");
    let of_pod = &daemon["resourceClaims"][0];
    assert_eq!(
        of_pod["resourceClaimTemplateName"],
        claim["metadata"]["name"]
    );
    let container = &daemon["containers"][0];
    assert_eq!(container["resources"]["claims"][0]["name"], of_pod["name"]);
    let base = pod("sriov/daemonset.yaml");
    assert!(names(&base["containers"]).contains(container["name"].as_str().unwrap()));
    let devices = &claim["spec"]["spec"]["devices"];
    let class = of_kind("dra/claim.yaml", "DeviceClass");
    let request = &devices["requests"][0];
    assert_eq!(
        request["exactly"]["deviceClassName"],
        class["metadata"]["name"]
    );
    assert_eq!(devices["config"][0]["requests"][0], request["name"]);
    // It ends as that of the plug-in: only where the address comes from differs.
    let script = |pod: &Value| pod["containers"][0]["args"][0].as_str().unwrap().to_owned();
    let (own, base) = (script(&daemon), script(&base));
    let (_, end) = base.split_once("/\" /etc").unwrap();
    assert!(own.ends_with(end), "{own}");
}
