//! What is kept, what is not, and what is said when the file cannot be used.

use super::*;
use kube::api::{DeleteParams, ListParams, PostParams};

async fn refusal(folder: &Path) -> String {
    let authority = Authority::load_or_create(folder).unwrap();
    let config = ApiConfig { data_dir: folder.to_owned(), listen: None, allow_loopback_endpoints: true };
    match ApiServer::open(config, &authority).await {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_new_start() {
    let cluster = cluster().await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(cluster.server.client());
    let made = maps.create(&PostParams::default(), &config_map("kept")).await.unwrap();
    let Cluster { server, folder } = cluster;
    // Nothing is closed: this is what the end of the process leaves.
    std::mem::forget(server);
    let server = open(folder.path()).await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(server.client());
    assert_eq!(maps.get("kept").await.unwrap(), made);
    let next = maps.create(&PostParams::default(), &config_map("next")).await.unwrap();
    let number = |map: &ConfigMap| map.metadata.resource_version.clone().unwrap().parse::<u64>().unwrap();
    assert!(number(&next) > number(&made));
    server.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_page_is_of_one_moment() {
    let cluster = cluster().await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(cluster.server.client());
    for index in 0..5 {
        maps.create(&PostParams::default(), &config_map(&format!("m{index}"))).await.unwrap();
    }
    let first = maps.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    maps.delete("m3", &DeleteParams::default()).await.unwrap();
    let next = ListParams::default().limit(10).continue_token(&first.metadata.continue_.unwrap());
    let rest = maps.list(&next).await.unwrap();
    let names: Vec<_> = rest.items.iter().map(|map| map.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["m2", "m3", "m4"]);
    cluster.server.api.store.compact(0);
    let gone = maps.list(&next).await.unwrap_err();
    assert!(matches!(gone, kube::Error::Api(status) if status.code == 410 && status.reason == "Expired"));
}

#[tokio::test]
async fn a_damaged_database_is_named_with_what_to_do() {
    let cluster = cluster().await;
    let Cluster { server, folder } = cluster;
    server.shutdown(Duration::from_secs(1)).await;
    let path = folder.path().join("cluster.db");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2 - 100]).unwrap();
    let said = refusal(folder.path()).await;
    assert!(said.contains("cluster.db is damaged"), "{said}");
    assert!(said.contains("restore it from a backup, or move it away"), "{said}");
    std::fs::write(&path, "this is not a database, but text that is long enough to look at".repeat(100)).unwrap();
    let said = refusal(folder.path()).await;
    assert!(said.contains("cluster.db is damaged"), "{said}");
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    use sqlx::{ConnectOptions, Connection};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut newer = options.connect().await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 99").execute(&mut newer).await.unwrap();
    newer.close().await.unwrap();
    let said = refusal(folder.path()).await;
    assert!(said.contains("has schema 99, and this doorstep knows up to 1"), "{said}");
}

#[tokio::test]
async fn a_write_that_the_database_refuses_changes_nothing_and_says_so() {
    use sqlx::{ConnectOptions, Connection};
    let cluster = cluster().await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(cluster.server.client());
    let before = maps.create(&PostParams::default(), &config_map("before")).await.unwrap();
    // A trigger that fails stands in for a full disk.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(cluster.folder.path().join("cluster.db"));
    let mut other = options.connect().await.unwrap();
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON objects BEGIN SELECT RAISE(ABORT, 'disk is full'); END";
    sqlx::raw_sql(trigger).execute(&mut other).await.unwrap();
    let (code, reason, message) = status(maps.create(&PostParams::default(), &config_map("late")).await);
    assert_eq!((code, reason.as_str()), (500, "InternalError"));
    assert!(message.contains("nothing was changed"), "{message}");
    assert!(maps.get_opt("late").await.unwrap().is_none());
    sqlx::raw_sql("DROP TRIGGER full").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert_eq!(maps.get("before").await.unwrap(), before);
    maps.create(&PostParams::default(), &config_map("late")).await.unwrap();
}

#[tokio::test]
async fn many_writers_lose_nothing() {
    let cluster = cluster().await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(cluster.server.client());
    let writers = (0..200).map(|index| {
        let maps = maps.clone();
        async move { maps.create(&PostParams::default(), &config_map(&format!("m{index}"))).await.unwrap() }
    });
    let made = futures::future::join_all(writers).await;
    let versions: std::collections::BTreeSet<_> =
        made.iter().map(|map| map.metadata.resource_version.clone().unwrap()).collect();
    assert_eq!(versions.len(), 200);
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 200);
}
